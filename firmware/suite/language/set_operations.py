# Sets and frozensets.
a, b = {1, 2, 3, 4}, {3, 4, 5}
for s in (a | b, a & b, a - b, a ^ b, b - a):
    print(sorted(s))
print({3} < a, a <= a, a >= {1}, a.isdisjoint({9}), {1, 2}.issubset(a), a.issuperset({4}))
a.add(9)
a.discard(100)
a.remove(1)
a.update([7, 8])
print(sorted(a), len(a), 7 in a, 1 not in a, set("hello") == set("olleh"))
f = frozenset((1, 2))
print({f: "frozen"}[frozenset((2, 1))], sorted(f | {3}), set() == set([]), sorted({x % 3 for x in range(10)}))
a.intersection_update({7, 8, 100})
a.symmetric_difference_update({8, 11})
print(sorted(a), sorted(a.copy()), sorted(a.union((1,), (2,)) if False else a.union((1,))))
try:
    a.remove("no")
except KeyError:
    print("KeyError")
