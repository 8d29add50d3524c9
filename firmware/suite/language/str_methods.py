# Text: searching, splitting, joining, stripping, replacing, cases.
s = "the quick brown fox jumps over the lazy dog"
print(s.find("fox"), s.find("cat"), s.rfind("the"), s.index("quick"), s.count("o"), "fox" in s)
print(s.split(), s.split(" ", 2), s.rsplit(" ", 2), "a,,b".split(","), "  a  b ".split())
print("-".join(["a", "b", "c"]), "".join(reversed("abc")), "ab" * 3, "a" + "b")
print("  pad ".strip() + "|", "xxaxx".strip("x"), "xxaxx".lstrip("x"), "xxaxx".rstrip("x"))
print("aXbX".replace("X", "--"), "aXbX".replace("X", "", 1), "Ab".upper(), "Ab".lower())
print("abc".startswith("ab"), "abc".endswith("bc"), "abc".startswith("b", 1), "abc".center(9), "|")
print("k=v=w".partition("="), "k=v=w".rpartition("="), "none".partition("="))
print("12".isdigit(), "1a".isdigit(), "ab".isalpha(), " \t".isspace(), "AB".isupper(), "ab".islower())
print("a\nb\r\nc".splitlines(), "tab\there".split("\t"), repr("quote'\"\n\\"))
try:
    s.index("cat")
except ValueError:
    print("ValueError")
