#!/bin/sh
# Sets .venv up from a committed lock: `setup.sh local` to run the service, `setup.sh dev` to test it as well,
# `setup.sh bench` to measure it, too. `setup.sh docs` sets .cache/docs/venv up, which builds the documentation, and
# `setup.sh sbom` .cache/sbom/venv, which lists what is in the images.
#
# Does nothing when nothing has changed. Installs system packages only as root and only where there is apt-get; otherwise
# it says in one sentence what is missing. Set PYTHON to choose the interpreter.
set -eu

# Without the wished programs, a few tests are skipped: they are installed where that is possible, and not demanded.
case $1 in
    bench) profile=dev programs="curl espeak-ng wrk" wished="" ;;
    dev) profile=dev programs="" wished="faketime" ;;
    *) profile=$1 programs="" wished="" ;;
esac
cd "$(dirname "$0")/../.."
# A tool has an environment of its own, in which this project is not installed.
case $profile in
    docs | sbom) venv=.cache/$profile/venv is_tool=yes ;;
    *) venv=.venv is_tool=no ;;
esac
lock=requirements/$profile.txt
stamp=$venv/.whisperjob-installed

say() { printf '%s\n' "$*" >&2; }
die() { say "$*"; exit 1; }

recent() { "$1" -c 'import sys; sys.exit(sys.version_info < (3, 11))' 2>/dev/null; }

# Whether it is complete, its Python still exists, and it was not moved: its scripts contain the interpreter's path.
venv_is_sound() {
    [ -x "$venv/bin/pip" ] && recent "$venv/bin/python" && grep -qF "$(pwd -P)/$venv" "$venv/bin/activate"
}

find_python() {
    for candidate in ${PYTHON:-python3 python3.14 python3.13 python3.12 python3.11}; do
        if recent "$candidate"; then
            command -v "$candidate"
            return
        fi
    done
    return 1
}

# Debian's python3 has no ensurepip until its -venv package is installed.
venv_package() {
    case $("$python" -c 'import sys; print(sys.executable)') in
        /usr/bin/*) "$python" -c 'import sys; print("python3.%d-venv" % sys.version_info[1])' ;;
        *) echo "python3-venv" ;;
    esac
}

can_install() { [ "$(id -u)" = 0 ] && command -v apt-get >/dev/null; }

missing_packages() {
    if [ $is_tool = no ]; then
        command -v ffmpeg >/dev/null && command -v ffprobe >/dev/null || echo ffmpeg
        "$python" -c 'import ctypes; ctypes.CDLL("libseccomp.so.2")' 2>/dev/null || echo libseccomp2
    fi
    for program in $programs; do
        command -v "$program" >/dev/null || echo "$program"
    done
    if can_install; then
        for program in $wished; do
            command -v "$program" >/dev/null || echo "$program"
        done
    fi
    venv_is_sound || "$python" -c 'import ensurepip, venv' 2>/dev/null || venv_package
}

install_packages() {
    missing=$(echo $(missing_packages))
    [ -n "$missing" ] || return 0
    command -v apt-get >/dev/null ||
        die "Missing: $missing. Install this with your system's package manager, then run this again."
    hint="run as root: apt-get install $missing"
    [ "$(id -u)" = 0 ] || die "Missing: $missing. To install, $hint; then run this again."
    say "Installing $missing..."
    apt_install "$missing" || die "apt-get could not install $missing. After you have fixed that, $hint."
    [ -z "$(missing_packages)" ] || die "Still missing after apt-get: $(echo $(missing_packages))."
}

apt_install() {
    log=$(mktemp)
    # shellcheck disable=SC2086 # a list of words
    if { apt-get update -qq && apt-get install -y -qq --no-install-recommends $1; } >"$log" 2>&1 </dev/null; then
        rm -f "$log"
    else
        tail -n 20 "$log" >&2
        rm -f "$log"
        return 1
    fi
}

fingerprint() {
    "$venv/bin/python" - "$1" pyproject.toml <<'PYTHON'
import hashlib, sys
digest = hashlib.sha256(sys.version.encode())
for name in sys.argv[1:]:
    with open(name, "rb") as file:
        digest.update(file.read())
print(digest.hexdigest())
PYTHON
}

# dev contains everything that local does.
up_to_date() {
    [ -f "$stamp" ] || return 1
    installed=$(cat "$stamp")
    [ "$installed" = "dev $(fingerprint requirements/dev.txt)" ] && return
    [ "$installed" = "$profile $(fingerprint "$lock")" ]
}

install_python_packages() {
    pip="$venv/bin/python -m pip --disable-pip-version-check --no-input --quiet install"
    say "Installing Python packages from $lock..."
    rm -f "$stamp"
    $pip --require-hashes --requirement "$lock"
    [ $is_tool = yes ] || $pip --no-build-isolation --no-deps --editable .
    echo "$profile $(fingerprint "$lock")" >"$stamp"
}

export DEBIAN_FRONTEND=noninteractive
python=$(find_python) || die "WhisperJob needs Python 3.11 or newer as python3 (found: $(python3 --version 2>&1 || true)). Install one, or name it: make PYTHON=/path/to/python3."
install_packages
if ! venv_is_sound; then
    # Making one clears what is there, and behind a link that is somebody else's.
    [ ! -L "$venv" ] || die "$venv is a link to $(readlink "$venv"), which is no environment of this folder. Remove the link, and run this again."
    "$python" -m venv --clear "$venv" || die "The virtual environment $venv could not be made with $python."
fi
up_to_date || install_python_packages
