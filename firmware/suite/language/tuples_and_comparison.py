# Tuples, ordering of sequences, identity, chained comparison.
t = (1, "two", 3.5, (4,))
print(t, t[1], t[-1][0], t + (5,), (0,) * 3, len(t), t.index("two"), t.count(1), ())
print((1, 2) < (1, 3), (1,) < (1, 0), (2,) > (1, 9), (1, 2) == (1, 2.0), "a" < "b" < "c")
print(1 < 2 < 3, 1 < 3 < 2, 1 == 1.0 == True, None is None, [] is not [], not None)
x = y = [1]
y.append(2)
print(x, x is y, x == [1, 2], hash((1, 2)) == hash((1, 2)), {(1, 2): "k"}[1, 2])
print(bool(()), bool((0,)), () or "default", (1,) and "last", 0 or [] or "end")
try:
    t[0] = 9
except TypeError:
    print("TypeError")
try:
    (1,) < ("a",)
except TypeError:
    print("TypeError")
