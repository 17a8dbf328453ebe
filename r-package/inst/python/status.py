# Run by at_status() in a process of its own: a line per fact, its name and value apart by a tab. It must run on any
# Python that people may have, so it imports nothing that is not in the standard library without a guard.
import importlib
import os
import platform
import shutil
import subprocess
import sys


def tell(name, value):
    print("{}\t{}".format(name, " ".join(str(value).split())))


tell("version", platform.python_version())
folders = [part for part in sys.path if part.endswith("site-packages")]
if folders:
    name = os.path.basename(os.path.dirname(folders[-1]))
    if name.startswith("python3"):
        tell("built_for", name[len("python"):])
try:
    annotune = importlib.import_module("annotune")
    importlib.import_module("annotune.rcalls")
    tell("annotune", annotune.__version__)
except Exception as error:
    tell("annotune_error", "{}: {}".format(type(error).__name__, error))
try:
    from importlib.util import find_spec
    from annotune.extras import EXTRAS
    # a package that is there in part counts as missing
    tell("extras", " ".join(name for name, extra in EXTRAS.items() if all(map(find_spec, extra.packages))) or "none")
except ImportError:
    pass  # there is no annotune, which is told above, or one from before this table
try:
    torch = importlib.import_module("torch")
    tell("torch", torch.__version__)
    if torch.cuda.is_available():
        tell("gpu", torch.cuda.get_device_name())
    elif torch.backends.mps.is_available():
        tell("gpu", "Apple (mps)")
    else:
        tell("gpu", "none")
except Exception as error:
    tell("torch_error", "{}: {}".format(type(error).__name__, error))
    tell("gpu", "none")
if shutil.which("nvidia-smi"):
    query = ["nvidia-smi", "--query-gpu=name", "--format=csv,noheader"]
    try:
        names = subprocess.check_output(query, stderr=subprocess.DEVNULL).decode().strip().splitlines()
    except (OSError, subprocess.CalledProcessError):
        names = []
    if names:
        tell("gpu_unused", names[0])
if hasattr(os, "sysconf") and "SC_PHYS_PAGES" in os.sysconf_names:
    tell("memory", os.sysconf("SC_PHYS_PAGES") * os.sysconf("SC_PAGE_SIZE") / 1e9)
