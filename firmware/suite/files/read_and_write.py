# Files in flash: writing, appending, seeking, lines, binary, sizes, removal.
import os

with open("suite.txt", "w") as f:
    print(f.write("line one\nline two\n"), f.tell())
with open("suite.txt", "a") as f:
    f.write("three")
with open("suite.txt") as f:
    print(f.readline(), f.read(4), f.seek(0), [line for line in f])
with open("suite.txt", "rb+") as f:
    f.seek(5)
    f.write(b"ONE")
    f.seek(-5, 2)
    print(f.read())
print(open("suite.txt").read().split("\n"), os.stat("suite.txt")[6])
os.rename("suite.txt", "suite2.txt")
print("suite.txt" in os.listdir(), "suite2.txt" in os.listdir())
os.remove("suite2.txt")
for f in (lambda: open("suite.txt"), lambda: os.remove("suite.txt"), lambda: os.stat("suite.txt")):
    try:
        f()
    except OSError as e:
        print(e.errno)
