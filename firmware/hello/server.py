# A web server of a few lines, in a thread of its own so that the prompt stays free.
import _thread
import gc
import socket


def answer(connection):
    method, path, version = connection.readline().decode().split()
    while connection.readline() not in (b"\r\n", b""):
        pass
    status, body = "404 Not Found", "nothing here\n"
    if path == "/free":
        status, body = "200 OK", "free {} bytes\n".format(gc.mem_free())
    head = "HTTP/1.0 {}\r\nContent-Type: text/plain\r\nContent-Length: {}\r\n\r\n"
    connection.write(head.format(status, len(body)) + body)


def serve():
    listener = socket.socket()
    listener.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
    listener.bind(("", 80))
    listener.listen(2)
    while True:
        connection, _ = listener.accept()
        try:
            answer(connection)
        finally:
            connection.close()


_thread.start_new_thread(serve, ())
