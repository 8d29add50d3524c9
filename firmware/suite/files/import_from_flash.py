# Modules and packages written to flash can be imported, changed and forgotten.
import os, sys

with open("suite_mod.py", "w") as f:
    f.write("value = 41\ndef more(n=1):\n    return value + n\n")
import suite_mod
from suite_mod import more as m

print(suite_mod.more(), m(2), suite_mod.__name__, suite_mod.__file__)
del sys.modules["suite_mod"]
with open("suite_mod.py", "w") as f:
    f.write("value = 'new'\n")
import suite_mod

print(suite_mod.value)
os.mkdir("suite_pkg")
for name, text in (("__init__", "from .part import f\n"), ("part", "def f():\n    return __name__\n")):
    with open("suite_pkg/%s.py" % name, "w") as f:
        f.write(text)
import suite_pkg

print(suite_pkg.f())
for name in ("suite_mod.py", "suite_pkg/__init__.py", "suite_pkg/part.py"):
    os.remove(name)
os.rmdir("suite_pkg")
for name in ("suite_mod", "suite_pkg", "suite_pkg.part"):
    sys.modules.pop(name, None)
try:
    import suite_mod
except ImportError:
    print("ImportError")
