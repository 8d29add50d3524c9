# asyncio: order of tasks, gather, events, locks, time-outs, cancelling.
import asyncio

log = []


async def worker(name, delay, n):
    for i in range(n):
        await asyncio.sleep(delay)
        log.append((name, i))
    return name * 2


async def waiter(event):
    await event.wait()
    log.append("event")


async def locked(lock, name):
    async with lock:
        log.append(name + " in")
        await asyncio.sleep(0.01)
        log.append(name + " out")


async def forever():
    try:
        while True:
            await asyncio.sleep(0.01)
    finally:
        log.append("stopped")


async def main():
    print(await asyncio.gather(worker("a", 0.02, 3), worker("b", 0.09, 2)))
    event = asyncio.Event()
    task = asyncio.create_task(waiter(event))
    await asyncio.sleep(0.01)
    log.append("set")
    event.set()
    await task
    lock = asyncio.Lock()
    await asyncio.gather(locked(lock, "x"), locked(lock, "y"))
    try:
        await asyncio.wait_for(forever(), 0.05)
    except asyncio.TimeoutError:
        log.append("timeout")
    task = asyncio.create_task(forever())
    await asyncio.sleep(0.03)
    task.cancel()
    try:
        await task
    except asyncio.CancelledError:
        log.append("cancelled")
    return "main done"


print(asyncio.run(main()))
for entry in log:
    print(entry)
