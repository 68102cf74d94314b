"""The tables of a speed test's page."""

import re
import shlex
from collections.abc import Iterator
from itertools import groupby

from lab.records.bench import BenchReport, CaseResult, Comparison, Peak, Telemetry
from lab.render.bench import words
from lab.render.bench.html import NOTHING, Html, join, pairs, table, tag
from lab.render.bench.units import (
    NONE,
    digits_text,
    duration_text,
    memory_text,
    percent_text,
    span_text,
)
from lab.render.clean import clean

_MOST_PEAKS = 24


def verdict(word: str) -> Html:
    """A verdict with its colour."""
    return tag("span", word, class_=f"verdict {word.lower()}")


def results(cases: list[CaseResult]) -> Html:
    """The table of results, by the names of the cases."""
    if not cases:
        return tag("p", "No case was measured.")
    nominal = any(case.percent_of_nominal is not None for case in cases)
    headings = ["#", "case", "time per call", "±", "speed", "of peak"]
    headings += [*(["of nominal"] if nominal else []), "verdict"]
    several = words.devices(cases)
    rows: list[list[str]] = []
    for name, group in groupby(enumerate(cases, 1), key=lambda item: clean(item[1].name)):
        rows.append([name or "(no name)"])
        for number, case in group:
            time, interval, speed, peak, of_nominal = words.figures(case)
            shown = [time, interval, speed, _bar(peak, case.percent_of_peak)]
            shown += [of_nominal] if nominal else []
            params = words.case_params(case, several) or "(no parameters)"
            rows.append([str(number), params, *shown, verdict(case.verdict)])
    return table(
        headings,
        rows,
        caption="One line for each case; the columns are explained below, under How to read this",
        words=[0, len(headings) - 1],
    )


def _bar(text: str, percent: float | None) -> Html:
    """A percentage over a bar of that length."""
    if text == NONE or percent is None:
        return join([text])
    length = min(max(percent, 0), 100)
    return tag("span", text, class_="bar", style=f"--part: {length:.1f}%")


def reasons(cases: list[CaseResult]) -> Html:
    """Why figures are not ok."""
    entries = [
        tag(
            "li",
            verdict(word),
            f": {reason} ",
            tag("span", "; ".join(labels), class_="muted cases"),
        )
        for word, reason, labels in words.reasons(cases)
    ]
    waiting = words.launch_bound(cases)
    if waiting:
        labels = tag("span", "; ".join(waiting), class_="muted cases")
        entries.insert(0, tag("li", tag("b", "launch-bound"), f": {words.LAUNCH_BOUND} ", labels))
    return tag("ul", *entries, class_="plain") if entries else NOTHING


def notes(cases: list[CaseResult]) -> Html:
    """What the cases themselves have to say, beside what was measured."""
    several = words.devices(cases)
    parts = []
    for case in cases:
        if case.notes:
            time, interval, speed, *_ = words.figures(case)
            figure = f"{time} ± {interval}" if interval != NONE else time
            measured = f"Measured here: {figure}, {speed}." if time != NONE else "No figure here."
            lines = (tag("li", clean(note)) for note in case.notes)
            parts += [tag("h3", words.label(case, several)), tag("p", measured), tag("ul", *lines)]
    return join(parts)


def comparisons(rows: list[Comparison]) -> Html:
    """The cases beside the earlier run."""
    headings = ["#", "case", "ratio", "95 % interval", "threshold", "verdict", "reason"]
    shown = [
        [str(number), words.label(row), *words.ratio_texts(row),
         percent_text(row.threshold_percent), verdict(row.verdict), clean(row.reason or "")]
        for number, row in enumerate(rows, 1)
    ]  # fmt: skip
    caption = "Time now over time before: below 1 is faster"
    return table(headings, shown, caption=caption, words=[0, 5, 6])


def samples(cases: list[CaseResult]) -> Html:
    """What each figure was made of."""
    headings = ["#", "case", "samples", "calls in each", "clean", "disturbed by", "p10", "p90"]
    headings += ["medians of the processes"]
    several = words.devices(cases)
    rows = [
        [str(number), words.label(case, several), *_sample_cells(case)]
        for number, case in enumerate(cases, 1)
        if case.samples_s
    ]
    return (
        table(headings, rows, caption="What the figures were made of", words=[0, 5, 8])
        if rows
        else NOTHING
    )


def _sample_cells(case: CaseResult) -> list[str]:
    undisturbed = percent_text(100 * sum(case.clean) / len(case.clean)) if case.clean else NONE
    why = ", ".join(f"{clean(name)} {count:,}" for name, count in case.disturbances.items())
    ends = [known and duration_text(known) for known in map(words.known, (case.p10_s, case.p90_s))]
    medians = ", ".join(duration_text(seconds) for seconds in case.process_medians_s)
    counts = [f"{len(case.samples_s):,}", f"{case.calls_per_sample:,}"]
    return [*counts, undisturbed, why, *(end or NONE for end in ends), medians or NONE]


def telemetry(cases: list[CaseResult]) -> Html:
    """What the GPU's sensors said, a row for each process of a case."""
    headings = ["#", "case", "clock", "lowest", "power", "temperature", "energy per call"]
    headings += ["slowed by", "other processes", "not read"]
    rows = [
        [str(number), words.label(case), *_telemetry_cells(one)]
        for number, case in enumerate(cases, 1)
        for one in case.telemetry
    ]
    return (
        table(
            headings,
            rows,
            caption="What the GPU said, a line for each process of a case",
            words=[0, 7, 8, 9],
        )
        if rows
        else NOTHING
    )


def _telemetry_cells(one: Telemetry) -> list[str]:
    missing = "; ".join(f"{name}: {why}" for name, why in one.missing.items())
    power, hottest = words.known(one.power_w_median), words.known(one.temperature_c_max)
    energy = words.known(one.energy_j_per_call)
    return [
        clock_text(one.sm_clock_hz_median), clock_text(one.sm_clock_hz_min),
        f"{power:.0f} W" if power else NONE, f"{hottest:.0f} °C" if hottest else NONE,
        f"{digits_text(energy)} J" if energy else NONE,
        clean(", ".join(one.throttle_reasons)),
        ", ".join(map(str, one.foreign_processes)), clean(missing),
    ]  # fmt: skip


def clock_text(hertz: float | None) -> str:
    """A clock in MHz, as NVML and data sheets have it."""
    known = words.known(hertz)
    return f"{known / 1e6:,.0f} MHz" if known else NONE


def environment(report: BenchReport) -> Html:
    """Everything that is known of where and how it was measured; and by name what is not."""
    facts = [(name, fact) for name, fact in _facts(report)]
    missing = [name for name, fact in facts if fact in (None, "", NONE)]
    told = pairs((name, clean(fact or "")) for name, fact in facts if name not in missing)
    return join([
        told,
        tag("p", f"Not known: {', '.join(missing)}.", class_="muted") if missing else NOTHING,
        _peaks(report),
    ])  # fmt: skip


def _facts(report: BenchReport) -> Iterator[tuple[str, str | None]]:
    env = report.environment
    yield "command", shlex.join(report.argv)
    yield "started", report.started_utc
    yield "took", span_text(report.duration_s)
    yield "order and data from seed", str(report.seed)
    for name in ("host", "engine", "image", "image_digest", "lock_sha256", "receipt", "platform",
                 "python", "torch", "blas"):  # fmt: skip
        yield name.replace("_", " ").replace("sha256", "SHA-256"), getattr(env, name)
    yield "threads in one operator", _number(env.threads)
    yield "threads between operators", _number(env.interop_threads)
    yield "float32 matmul precision", env.matmul_precision
    yield from _processor(report)
    yield from _accelerator(report)
    floor = env.floor_percent
    yield "repeatability floor", None if floor is None else percent_text(floor)


def _processor(report: BenchReport) -> Iterator[tuple[str, str | None]]:
    cpu, group = report.environment.cpu, report.environment.cgroup
    yield "processor", cpu.model if cpu else None
    if cpu:
        yield "cores that may be used", f"{cpu.cores}, {cpu.logical} logical"
        yield "instruction set", cpu.isa
        how = f" ({cpu.clock_source})" if cpu.clock_source else ""
        yield "processor's clock", f"{clock_text(cpu.clock_hz)}{how}"
        yield "third-level cache", _memory(cpu.l3_bytes)
    if group:
        cpus = "no limit" if group.cpus is None else f"{group.cpus:g} processors"
        memory = "no limit" if group.memory_bytes is None else memory_text(group.memory_bytes)
        yield "control group", f"{cpus}, memory: {memory}"


def _accelerator(report: BenchReport) -> Iterator[tuple[str, str | None]]:
    gpu = report.environment.gpu
    if gpu is None:
        return
    yield "GPU", gpu.name
    yield "UUID", gpu.uuid
    yield "driver", gpu.driver
    yield "compute capability", gpu.capability
    yield "GPU memory", _memory(gpu.memory_bytes)
    yield "multiprocessors", _number(gpu.multiprocessors)
    yield "highest clock", clock_text(gpu.max_clock_hz)
    limit = words.known(gpu.power_limit_w)
    yield "power limit", f"{limit:.0f} W" if limit else None


def _memory(count: int | None) -> str | None:
    return None if count is None else memory_text(count)


def _number(number: int | None) -> str | None:
    return None if number is None else str(number)


def _peaks(report: BenchReport) -> Html:
    every = [*report.environment.peaks, *(case.peak for case in report.cases if case.peak)]
    alike: dict[tuple[str, ...], Peak] = {}
    for peak in every:
        alike.setdefault((words.peak_name(peak), words.peak_rate(peak), peak.basis), peak)
    rows = [
        [str(number), *key[:2], words.BASES[peak.basis], clean(peak.source)]
        for number, (key, peak) in enumerate(list(alike.items())[:_MOST_PEAKS], 1)
    ]
    headings = ["#", "what", "peak", "how it is known", "source"]
    return (
        table(headings, rows, caption="What the device can do at best", words=[0, 3, 4])
        if rows
        else NOTHING
    )


def plain_id(text: str) -> str:
    """Letters and digits alone, for an id."""
    return re.sub(r"[^a-z0-9]+", "-", text.lower()).strip("-")
