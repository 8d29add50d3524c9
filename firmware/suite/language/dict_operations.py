# Dictionaries: access, change, iteration, merging, views, many keys.
d = {"a": 1, "b": 2, 3: "c", (1, 2): None}
print(d["a"], d.get("z"), d.get("z", 0), "b" in d, len(d), d[3], d[(1, 2)])
d["a"] += 10
del d["b"]
print(d.pop("a"), d.pop("q", "none"), d.setdefault("n", []), d.setdefault("n", 5))
d["n"].append(1)
print(d["n"], sorted(str(k) for k in d), sorted(str(v) for v in d.values()))
big = {i * 37 % 1009: i for i in range(500)}
print(len(big), sum(big.values()), big[37], all(big[i * 37 % 1009] == i for i in range(500)))
for i in range(0, 500, 2):
    del big[i * 37 % 1009]
print(len(big), 37 in big, 0 in big)
e = dict(x=1, y=2)
e.update({"y": 3}, z=4)
print(sorted(e.items()), dict([(1, 2)]), e == dict(sorted(e.items())))
print({True: "t"}[1], {1: "i"}[1.0], dict.fromkeys((1,), 0))
for f in (lambda: d["missing"], lambda: {[]: 1}):
    try:
        f()
    except (KeyError, TypeError) as e:
        print(type(e).__name__)
