# Directories: making, listing, moving into, removing; file system figures.
import os

os.mkdir("suite")
os.mkdir("suite/inner")
for name in ("b", "a", "inner/c"):
    with open("suite/" + name, "w") as f:
        f.write(name * 3)
print(sorted(os.listdir("suite")), sorted((e[0], e[1], e[3]) for e in os.ilistdir("suite") if e[1] == 0x8000))
os.chdir("/suite/inner")
print(os.getcwd(), os.listdir(), open("c").read(), open("../a").read())
os.chdir("/")
for f in (lambda: os.rmdir("suite"), lambda: os.mkdir("suite"), lambda: os.chdir("nowhere")):
    try:
        f()
        print("done")
    except OSError as e:
        print("OSError", abs(e.errno) in (2, 17, 39))
for name in ("a", "b", "inner/c"):
    os.remove("suite/" + name)
os.rmdir("suite/inner")
os.rmdir("suite")
print("suite" in os.listdir())
s = os.statvfs("/")
print(s[0], s[2] * s[0], 0 < s[3] < s[2])
