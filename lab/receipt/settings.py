"""Variables of the environment that change what torch computes, or with how many threads."""

from collections.abc import Mapping

_PREFIXES = (
    "ATEN_", "CUBLAS_", "CUDNN_", "DNNL_", "GOMP_", "KMP_", "MKL_", "NUMEXPR_", "NVIDIA_TF32_",
    "OMP_", "ONEDNN_", "OPENBLAS_", "PYTORCH_", "TORCH_", "VECLIB_",
)  # fmt: skip
_NAMES = ("LD_PRELOAD", "PYTHONHASHSEED", "PYTHONINSPECT", "PYTHONOPTIMIZE", "PYTHONSTARTUP")
# Where torch keeps files, and what it prints, is a machine's own affair.
_HARMLESS = ("TORCH_HOME", "TORCH_LOGS", "TORCH_EXTENSIONS_DIR", "PYTORCH_KERNEL_CACHE_PATH")


def read_settings(environ: Mapping[str, str]) -> dict[str, str]:
    """The variables that are set, sorted by name."""
    return {
        name: environ[name]
        for name in sorted(environ)
        if name not in _HARMLESS and (name.startswith(_PREFIXES) or name in _NAMES)
    }


def is_of_threads(name: str) -> bool:
    """Whether a variable says how many threads there are, or where they run."""
    return name.startswith(("OMP_", "GOMP_", "KMP_")) or name.endswith("_THREADS")
