"""A server's socket with a delay: slow-store.py SOCKET DIRECTORY MILLISECONDS

Listens in DIRECTORY and hands everything on to SOCKET. Answers come late, and all of them as late: none waits for another.
"""
import asyncio, os, sys
server, place, delay = sys.argv[1], sys.argv[2], float(sys.argv[3]) / 1000
os.makedirs(place, exist_ok=True)
async def at_once(source, sink):
    while piece := await source.read(1 << 16):
        sink.write(piece)
        await sink.drain()
    sink.close()
async def late(source, sink):
    loop, queue = asyncio.get_running_loop(), asyncio.Queue()
    async def deliver():
        while True:
            due, piece = await queue.get()
            await asyncio.sleep(max(0, due - loop.time()))
            if not piece:
                return sink.close()
            sink.write(piece)
    sending = asyncio.create_task(deliver())
    while piece := await source.read(1 << 16):
        queue.put_nowait((loop.time() + delay, piece))
    queue.put_nowait((loop.time() + delay, b""))
    await sending
async def serve(reader, writer):
    up_reader, up_writer = await asyncio.open_unix_connection(server)
    await asyncio.gather(at_once(reader, up_writer), late(up_reader, writer), return_exceptions=True)
async def main():
    async with await asyncio.start_unix_server(serve, place + "/.s.PGSQL.5432"):
        await asyncio.sleep(1e9)
asyncio.run(main())
