"""The words of a drawing, in Spanish and English."""

from lab.records.autograd import Language

WORDS: dict[Language, dict[str, str]] = {
    "en": {
        "title": "Computational graph of {name}", "gradient": "grad", "value": "value",
        "input": "input", "parameter": "parameter", "constant": "constant",
        "operation": "operation", "module": "folded module", "nodes": "{n} nodes", "node": "1 node",
        "nan": "nan", "inf": "infinite", "saturated": "saturated", "detached": "cut off",
        "output": "output", "in_place": "in place", "step": "Step", "forward": "forward",
        "backward": "backward", "all": "all", "finding": "the gradient check found something here",
        "hint": "forward: values come about; backward: gradients, and what each use adds",
    },
    "es": {
        "title": "Grafo de cómputo de {name}", "gradient": "grad", "value": "valor",
        "input": "entrada", "parameter": "parámetro", "constant": "constante",
        "operation": "operación", "module": "módulo plegado",
        "nodes": "{n} nodos", "node": "1 nodo",
        "nan": "nan", "inf": "infinito", "saturated": "saturado", "detached": "cortado",
        "output": "salida", "in_place": "en el lugar", "step": "Paso", "forward": "adelante",
        "backward": "atrás", "all": "todo", "finding": "la prueba de gradientes halló algo aquí",
        "hint": "adelante: aparecen los valores; atrás: los gradientes y lo que aporta cada uso",
    },
}  # fmt: skip
