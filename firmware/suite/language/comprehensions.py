# Comprehensions of every kind, nested, filtered, with their own scope.
i = "outer"
print([i * i for i in range(6)], i)
print([(x, y) for x in range(3) for y in range(x)], [[r * c for c in range(3)] for r in range(3)])
print([x for x in range(30) if x % 2 if x % 3 == 0], [y for x in ((1, 2), (3,)) for y in x])
print(sorted({x % 4 for x in range(10)}), sorted({k: v for k, v in zip("abc", range(3))}.items()))
g = (x * 2 for x in range(4))
print(next(g), list(g), sum(x for x in range(101)), max((len(w), w) for w in ("a", "bbb", "cc")))
print([f() for f in [lambda k=k: k for k in range(3)]], [f() for f in [lambda: k for k in range(3)]])
print([n for n in range(2, 40) if all(n % d for d in range(2, n))])
print([a if a > 1 else -a for a in range(4)], ["%d" % a for a in (1, 2)])
