# Much garbage, with live data among it: nothing live is lost.
import gc

keep = []
for i in range(300):
    junk = [bytearray(200) for _ in range(4)]
    junk.append({str(k): [k] for k in range(5)})
    if i % 30 == 0:
        keep.append([i, str(i) * 3, {i: (i,)}])
    if i % 100 == 99:
        gc.collect()
print(keep)


class Node:
    def __init__(self, value, rest):
        self.value, self.rest = value, rest


head = None
for i in range(200):
    head = Node(i, head)
    cycle = Node(i, None)
    cycle.rest = cycle
gc.collect()
total, node = 0, head
while node:
    total += node.value
    node = node.rest
print(total, len("x" * 5000), sum(bytearray(b"\x01" * 3000)))
