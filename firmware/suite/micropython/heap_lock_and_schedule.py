# A locked heap refuses to allocate; scheduled functions run soon, in order.
import micropython, time

result = "none"
micropython.heap_lock()
try:
    bytearray(100)
    result = "allocated"
except MemoryError:
    result = "MemoryError"
finally:
    micropython.heap_unlock()
print(result, len(bytearray(100)))
ran = []
for i in range(4):
    micropython.schedule(ran.append, i)
time.sleep_ms(5)
print(ran)
try:
    bytearray(50_000_000)
except MemoryError:
    print("too large")
