"""entry.py MODULE FUNCTION NAME [ARGUMENT...]: calls a package's console entry point.

Debian's packages nova-api and the like bring init scripts and a hypervisor; the python3-... packages have all the code.
"""

import importlib
import sys
from pathlib import Path

module, function, name = sys.argv[1:4]
sys.argv = [name, *sys.argv[4:]]
# The script's own folder would hide packages of these names.
sys.path = [path for path in sys.path if Path(path) != Path(__file__).parent]
if module.startswith("nova."):
    importlib.import_module("nova.cmd")  # makes everything green before anything else is imported
if module == "nova.cmd.compute":
    # Nova looks for hypervisors below its own package only.
    importlib.import_module("nova.virt").__path__.append(str(Path(__file__).parent / "plugins"))
if module == "oslab_swift":
    utils = importlib.import_module("swift.common.utils")
    utils.eventlet_monkey_patch()
    # Debian's place for it isn't the lab's, and storage policies are read from it by whoever imports them.
    utils.SWIFT_CONF_FILE = sys.argv[-1]
sys.exit(getattr(importlib.import_module(module), function)())
