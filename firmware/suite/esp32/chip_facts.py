# Facts about the chip: heap regions, temperature, names, memory.
import esp32, os, gc

regions = esp32.idf_heap_info(esp32.HEAP_DATA)
print(len(regions) > 1, all(len(r) == 4 and r[0] >= r[1] >= r[3] for r in regions))
print(0 <= esp32.raw_temperature() <= 255)
u = os.uname()
print(u.sysname, u.nodename, u.release, u.machine)
gc.collect()
print(gc.mem_free() > 50_000, gc.mem_alloc() > 0)
