# framebuf: pixels, lines, rectangles, text, scrolling and blitting.
import framebuf


def show(fb, w, h):
    for y in range(h):
        print("".join("#" if fb.pixel(x, y) else "." for x in range(w)))


fb = framebuf.FrameBuffer(bytearray(16), 16, 8, framebuf.MONO_VLSB)
fb.rect(0, 0, 16, 8, 1)
fb.line(2, 2, 13, 5, 1)
fb.fill_rect(3, 5, 2, 2, 1)
show(fb, 16, 8)
fb.scroll(2, 0)
print([fb.pixel(x, 3) for x in range(16)])
small = framebuf.FrameBuffer(bytearray(8), 2, 2, framebuf.RGB565)
small.fill(0x1234)
small.pixel(1, 1, 0xFFFF)
print(hex(small.pixel(0, 0)), hex(small.pixel(1, 1)))
fb.fill(0)
fb.blit(small, 5, 1)
print(sum(fb.pixel(x, y) for x in range(16) for y in range(8)))
