"""What every rival in Python shares: requests as JSON lines on stdin, answers as JSON lines on stdout, timing, and files of f32 values."""
import array
import json
import statistics
import sys
import time

# Libraries print to stdout, too: answers go to the real one, all else to stderr.
answers = sys.stdout
sys.stdout = sys.stderr


def write_floats(path, values):
    with open(path, "wb") as file:
        array.array("f", values).tofile(file)


def read_json(path):
    with open(path, encoding="utf-8") as file:
        return json.load(file)


def timed(call, seconds):
    """The median in milliseconds, and how many cores were busy."""
    if seconds > 0:
        call()
    times, busy, begun = [], time.process_time(), time.perf_counter()
    while not times or sum(times) < seconds * 1000:
        start = time.perf_counter()
        call()
        times.append((time.perf_counter() - start) * 1000)
    cores = (time.process_time() - busy) / (time.perf_counter() - begun)
    return {"milliseconds": statistics.median(times), "cores": cores}


def serve(open_library, prepare):
    """open_library(request) -> {name, threads}; prepare(request) -> what is timed. Preparing has computed once."""
    call = None
    for line in sys.stdin:
        request = json.loads(line)
        try:
            if request["do"] == "open":
                answer = open_library(request)
            elif request["do"] == "prepare":
                call, answer = prepare(request), {}
            else:
                answer = timed(call, request["seconds"])
        except Exception as error:  # told to who asked
            answer = {"error": f"{type(error).__name__}: {error}"}
        print(json.dumps(answer), file=answers, flush=True)
