# namedtuple, deque and OrderedDict.
from collections import namedtuple, deque, OrderedDict

Point = namedtuple("Point", ("x", "y"))
p = Point(1, y=2)
print(p, p.x + p.y, p[1], p == (1, 2), len(p), list(p), isinstance(p, tuple))
x, y = p
try:
    p.x = 5
except AttributeError:
    print("read only")
d = deque((), 3)
for i in range(5):
    d.append(i)
print(len(d), d.popleft(), d.popleft(), len(d), bool(d))
d.appendleft(9)
print(d.popleft(), d.pop(), len(d))
try:
    d.popleft()
except IndexError:
    print("IndexError")
o = OrderedDict([("z", 1), ("a", 2)])
o["m"] = 3
o["z"] = 9
print(list(o), list(o.items()), o.pop("a"), list(o.values()), "m" in o)
