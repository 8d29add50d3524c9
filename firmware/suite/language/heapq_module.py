# heapq: a priority queue, and Dijkstra on a grid.
import heapq

h = []
for i in range(30):
    heapq.heappush(h, (i * 17) % 31)
print([heapq.heappop(h) for _ in range(30)])
a = [9, 4, 7, 1, 8]
heapq.heapify(a)
print(a[0], sorted(a), heapq.heappop(a), heapq.heappop(a))
grid = ["11911", "19191", "11191", "99191", "11111"]
best, todo = {}, [(0, 0, 0)]
while todo:
    cost, r, c = heapq.heappop(todo)
    if (r, c) in best:
        continue
    best[r, c] = cost
    for nr, nc in ((r + 1, c), (r - 1, c), (r, c + 1), (r, c - 1)):
        if 0 <= nr < 5 and 0 <= nc < 5 and (nr, nc) not in best:
            heapq.heappush(todo, (cost + int(grid[nr][nc]), nr, nc))
print(best[4, 4], best[4, 0], len(best))
try:
    heapq.heappop([])
except IndexError:
    print("IndexError")
