#!/bin/sh
# Is there a Python that this plugin can be built for? Fails and says why if not. `tenon build` asks.

# In the order in which PyO3 looks.
if [ -n "${PYO3_PYTHON:-}" ]; then
    set -- "$PYO3_PYTHON"
elif [ -n "${VIRTUAL_ENV:-}" ] && [ -z "${CONDA_PREFIX:-}" ]; then
    set -- "$VIRTUAL_ENV/bin/python"
elif [ -n "${CONDA_PREFIX:-}" ] && [ -z "${VIRTUAL_ENV:-}" ]; then
    set -- "$CONDA_PREFIX/bin/python"
else
    set -- python python3
fi
for python; do
    if "$python" -c 'import sys; sys.exit(sys.version_info < (3,))' 2>/dev/null; then
        exec "$python" - <<'END'
import os
import sys
import sysconfig

name, version = sys.executable, ".".join(map(str, sys.version_info[:3]))
if sys.version_info < (3, 9):
    sys.exit(f"{name} is Python {version}, and 3.9 or newer is needed; name one in PYO3_PYTHON")
library = os.path.join(*map(str, sysconfig.get_config_vars("LIBDIR", "LDLIBRARY")))
if not sysconfig.get_config_var("Py_ENABLE_SHARED") or not os.path.exists(library):
    sys.exit(
        f"{name} (Python {version}) has no shared library, which a server that is not Python "
        "itself needs; on Debian: apt-get install libpython3-dev; or build Python with "
        "--enable-shared, and name it in PYO3_PYTHON"
    )
END
    fi
done
echo "there is no Python 3 here (tried: $*); on Debian: apt-get install python3 libpython3-dev;" \
    "or name one in PYO3_PYTHON"
exit 1
