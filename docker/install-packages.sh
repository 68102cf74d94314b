#!/bin/sh
# Installs one hash lock: `runner` into /opt/installer (it brings uv), `cpu` or `cuda` into /opt/venv.
set -eu
lock=$1

if [ -s /dev/sources ]; then # mirrors, as lines of NAME='value'
  set -a
  # shellcheck source=/dev/null
  . /dev/sources
  set +a
fi
if [ -s /dev/ca ]; then export SSL_CERT_FILE=/dev/ca PIP_CERT=/dev/ca; fi

if [ "$lock" = runner ]; then
  python3 -m venv /opt/installer
  [ -z "${UV_DEFAULT_INDEX:-}" ] || export PIP_INDEX_URL="$UV_DEFAULT_INDEX"
  [ -z "${UV_INDEX:-}" ] || export PIP_EXTRA_INDEX_URL="$UV_INDEX"
  exec /opt/installer/bin/pip install --quiet --disable-pip-version-check --no-cache-dir --require-hashes \
    --only-binary :all: --find-links /dev/wheelhouse -r "/dev/docker/locks/$lock.txt"
fi

# uv stops when an index does not answer: PyTorch's own CPU index, whose address uv knows, is asked only
# where the wheelhouse lacks the wheel.
links="--find-links /dev/wheelhouse"
backend=""
if [ "$lock" = cpu ]; then
  ls /dev/wheelhouse/torch-*+cpu-*.whl >/dev/null 2>&1 || [ -n "${UV_FIND_LINKS:-}" ] || backend="--torch-backend cpu"
fi

python3 -m venv --without-pip /opt/venv
# shellcheck disable=SC2086 # words
UV_CACHE_DIR=/dev/uv-cache UV_LINK_MODE=copy /opt/installer/bin/uv pip install --python /opt/venv/bin/python \
  --no-deps --require-hashes --only-binary :all: $links $backend -r "/dev/docker/locks/$lock.txt"

# Of a wheel from a folder uv notes when it was put there: here, when the builder copied the wheelhouse.
find /opt/venv/lib -path '*.dist-info/uv_cache.json' -delete
sed -i '/\.dist-info\/uv_cache\.json,/d' /opt/venv/lib/python*/site-packages/*.dist-info/RECORD

# Bytecode makes the first import quick. One process, a fixed hash seed and no time stamps inside make
# it the same each time; unchecked: nobody edits these files. Packages' own tests stay without (15 MB);
# a file that is no valid Python of this version is only named. Python itself is kept from writing any: its
# own kind holds a time.
PYTHONDONTWRITEBYTECODE=1 PYTHONHASHSEED=0 /opt/venv/bin/python -m compileall -q -f -j 1 --invalidation-mode unchecked-hash \
  -x '/tests?/|torch/testing/_internal/' /opt/venv/lib || true
sh /dev/docker/clamp-times.sh /opt/venv
