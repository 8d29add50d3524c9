# Lists: building, slicing, changing, searching, copying.
a = list(range(10))
print(a[2:5], a[:3], a[-3:], a[::3], a[::-2], a[5:2], a[100:], a[1:8:3])
a[2:5] = [20, 30]
a.insert(1, 99)
a.append("x")
a.extend((7, 8))
print(a, a.index(99), a.count(7), a.pop(), a.pop(0), len(a))
a.remove(99)
del a[1:3]
print(a, a + [1], [0] * 3, 8 in a, "x" in a)
b = a[:]
b.reverse()
print(b, a is b, a == b[::-1], [1, 2] < [1, 3], [1] < [1, 0], [] == [])
c = [[0] * 2] * 2
c[0][1] = 5
print(c, sum([1, 2, 3]), min(3, 1, 2), max([4, 9]), any([0, 1]), all([]), list("abc"))
a.clear()
print(a, not a)
for f in (lambda: [].pop(), lambda: [1][5], lambda: [1].remove(2), lambda: [1].index(2)):
    try:
        f()
    except (IndexError, ValueError) as e:
        print(type(e).__name__)
