"""A drawing that is stepped through, forward and then backward, with a slider."""

from lab.records.autograd import Language
from lab.records.graph import Graph
from lab.render.bench.html import Html, tag
from lab.render.clean import clean
from lab.render.graph.fold import MOST
from lab.render.graph.svg import graph_svg
from lab.render.graph.words import WORDS

_STYLE = """
.lab-graph{font:14px system-ui,sans-serif;color:#111;background:#fff;padding:.4em;overflow:auto}
.lab-graph label{display:flex;gap:.7em;align-items:center;flex-wrap:wrap}
.lab-graph input{flex:1;min-width:12em;max-width:36em}
.lab-graph small{display:block;margin:.3em 0}
.lab-graph .off{opacity:.12}.lab-graph .dim [data-part=gradient]{visibility:hidden}
.lab-graph .now rect{stroke-width:4}
"""
# Steps: 0 shows all; then one for each node forward, then one for each gradient backward.
_SCRIPT = """
(function(root){
var slider=root.querySelector('input'),told=root.querySelector('output');
var nodes=[].slice.call(root.querySelectorAll('.node')),edges=root.querySelectorAll('.edge');
function rank(name){return nodes.filter(function(n){return n.dataset[name]!==undefined})
.sort(function(a,b){return a.dataset[name]-b.dataset[name]})}
var there=rank('forward'),back=rank('backward');
slider.max=there.length+back.length;
function show(){
var s=+slider.value,f=s===0?there.length:Math.min(s,there.length);
var b=s===0?back.length:Math.max(0,s-there.length),now=s===0?null:b?back[b-1]:there[f-1];
nodes.forEach(function(n){
n.classList.toggle('off',there.indexOf(n)>=f);
n.classList.toggle('dim',back.indexOf(n)<0||back.indexOf(n)>=b);
n.classList.toggle('now',n===now);});
[].forEach.call(edges,function(e){
function on(list,id,k){return list.slice(0,k).some(function(n){return n.dataset.id===id})}
e.classList.toggle('off',!on(there,e.dataset.target,f));
e.classList.toggle('dim',!on(back,e.dataset.target,b));});
told.textContent=s===0?root.dataset.all:(b?root.dataset.backward+' '+b+'/'+back.length:
root.dataset.forward+' '+f+'/'+there.length);}
slider.addEventListener('input',show);show();
})(document.getElementById('%s'));
"""


def graph_html(
    graph: Graph, *, language: Language = "es", most: int = MOST, identity: str = "lab-graph"
) -> str:
    """A part of a page: the slider and the drawing.

    Args:
        graph: as traced.
        language: of its words.
        most: nodes beyond which modules are folded.
        identity: of the part; one of its own for each drawing of a page.
    """
    words = WORDS[language]
    slider = tag("input", type="range", min="0", max="0", value="0", aria_label=words["step"])
    return tag(
        "div", tag("style", Html(_STYLE)),
        tag("label", words["step"], slider, tag("output", words["all"])),
        tag("small", words["hint"]),
        Html(graph_svg(graph, language=language, most=most, identity=f"{identity}-svg")),
        tag("script", Html(_SCRIPT % identity)),
        id=identity, class_="lab-graph", data_all=words["all"], data_forward=words["forward"],
        data_backward=words["backward"],
    )  # fmt: skip


def graph_page(graph: Graph, *, language: Language = "es", most: int = MOST) -> str:
    """A whole page that stands by itself."""
    title = WORDS[language]["title"].format(name=clean(graph.function))
    head = tag("head", tag("meta", charset="utf-8"), tag("title", title))
    body = tag("body", Html(graph_html(graph, language=language, most=most)))
    return "<!doctype html>\n" + tag("html", head, body, lang=language) + "\n"
