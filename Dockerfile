# docker build -t genbench .                                                    any GPU that the driver shows, or none
# docker build -t genbench --build-arg BASE=nvidia/cuda:13.0.1-runtime-ubuntu24.04 .
# docker build -t genbench --build-arg TORCH_INDEX=URL .       PyTorch from another index, the smaller builds for the CPU, say
# docker run --rm --gpus all -v "$PWD:/data" genbench compare data=folder data.root=photos data.size=32 minutes=5 out=page
ARG BASE=python:3.13-slim
FROM ${BASE}
ARG TORCH_INDEX=
COPY . /src
RUN command -v python3 > /dev/null || (apt-get update && apt-get install -y --no-install-recommends python3 python3-venv)
RUN python3 -m venv /opt/genbench
RUN test -z "$TORCH_INDEX" || /opt/genbench/bin/pip install --no-cache-dir --index-url "$TORCH_INDEX" torch torchvision
RUN /opt/genbench/bin/pip install --no-cache-dir '/src[export,hub,search,hdf5,parquet]'
WORKDIR /data
ENTRYPOINT ["/opt/genbench/bin/genbench"]
