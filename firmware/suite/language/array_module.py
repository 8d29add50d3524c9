# Arrays of machine types.
from array import array

for code, values in (("b", (-128, 127)), ("B", (0, 255)), ("h", (-32768, 32767)), ("H", (0, 65535)), ("i", (-(2**31), 2**31 - 1)), ("I", (0, 2**32 - 1))):
    a = array(code, values)
    a.append(1)
    print(code, list(a), len(a), len(bytes(a)))
a = array("H", range(5))
a[1] = 500
a.extend(array("H", [7, 8]))
print(list(a), sum(a), max(a), list(a[2:4]))
f = array("f", [0.5, -1.25])
print(list(f), len(bytes(f)), bytes(array("h", [1, -2])))
view = memoryview(array("i", [1, 2, 3]))
view[1] = -5
print(list(view), len(view))
