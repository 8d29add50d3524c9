# Regular expressions: classes, groups, greediness, substitution, splitting.
import re

for pattern, text in ((r"a+b", "xaaab"), (r"^(\w+)\s+(\d+)$", "count 42"), (r"[^a-z]+", "ab12cd"), (r"(a|b)*c", "ababc"), (r"<.*?>", "<x><y>"), (r"<.*>", "<x><y>"), (r"\.", "a.b"), (r"z", "abc"), (r"(x)?y", "y")):
    m = re.search(pattern, text)
    print(pattern, m and m.group(0))
print(re.match("b", "ab"), re.match("a", "ab").group(0), re.compile("[0-9]").search("a7").group(0))
print(re.sub(r"(\d+)", lambda m: str(int(m.group(1)) * 2), "1 and 22"), re.sub("a", "b", "aaa", 2), re.sub(r"(\w)(\w)", r"\2\1", "abcd"))
print(re.compile(r"[,;]\s*").split("a, b;c"), re.compile(",").split("a,b,c", 1))
m = re.match(r"(\w+)@(\w+)\.(\w+)", "me@host.org")
print(m.group(0), m.group(1), m.group(2), m.group(3))
m = re.match(r"(\d+)(\.\d*)?", "12")
print(m.group(1), m.group(2))
for bad in ("(", "*", "[a"):
    try:
        re.compile(bad)
    except Exception:
        print("refused")
