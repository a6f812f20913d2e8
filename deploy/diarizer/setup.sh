#!/bin/sh
# Makes the diarizer's environment, once: PyTorch, pyannote.audio, the bundled models, and the interpreter that the
# service finds at .cache/diarizer/python. `setup.sh [debian|wheels]`
#
# debian: as root on Debian or a relative: Debian's own PyTorch for CPUs, in a root file system of its own (sid, by
#         debootstrap), and the rest from requirements/diarizer-debian.txt. 3 GB, about 5 minutes.
# wheels: anywhere else: PyPI's PyTorch, which on Linux is the one for CUDA, from requirements/diarizer.txt. 5.4 GB.
#
# Each part is made beside and renamed, so that an interrupted run goes on where it stopped; nothing is done twice.
# The system is left as it is, but for debootstrap itself.
set -eu

cd "$(dirname "$0")/../.."
place=$(pwd -P)/.cache/diarizer
root=$place/root
venv=$place/venv
packages="ca-certificates python3 python3-pip python3-venv python3-torch python3-torchaudio libopenblas0-pthread ffmpeg libseccomp2"
log=$place/setup.log

say() { printf '%s\n' "$*" >&2; }
die() { say "$*"; exit 1; }

# Every few seconds, as long as the command in `logged` runs: the time, the size of what is here, and the log's last line.
report_progress() {
    sleeping=
    trap 'kill $sleeping 2>/dev/null; exit' TERM
    started=$(date +%s)
    interval=15
    [ ! -t 2 ] || interval=3
    while kill -0 $$ 2>/dev/null; do
        sleep $interval &
        sleeping=$!
        wait $sleeping
        seconds=$(($(date +%s) - started))
        megabytes=$(du -sm "$place" 2>/dev/null | cut -f 1)
        doing=$(tail -n 1 "$log" | tr -cd '[:print:]' | cut -c 1-58)
        line=$(printf '  %d:%02d  %4s MB  %s' $((seconds / 60)) $((seconds % 60)) "${megabytes:-?}" "$doing")
        if [ -t 2 ]; then printf '\r\033[K%s' "$line" >&2; else say "$line"; fi
    done
}

reporter=
stop_reporter() {
    [ -n "$reporter" ] || return 0
    kill "$reporter" 2>/dev/null || true
    wait "$reporter" 2>/dev/null || true
    reporter=
    [ ! -t 2 ] || printf '\r\033[K' >&2
}

# What it says goes to the log, of which the end is shown if it fails. The command is in the foreground, so that Ctrl-C
# reaches it.
logged() {
    report_progress &
    reporter=$!
    ended=0
    "$@" >>"$log" 2>&1 </dev/null || ended=$?
    stop_reporter
    [ "$ended" = 0 ] || tail -n 15 "$log" >&2
    return "$ended"
}

choose_way() {
    if [ "$(uname -s)" != Linux ] || [ "$(id -u)" != 0 ]; then
        echo wheels
    elif command -v debootstrap >/dev/null || command -v apt-get >/dev/null; then
        echo debian
    else
        echo wheels
    fi
}

need_debootstrap() {
    command -v debootstrap >/dev/null && return
    say "Installing debootstrap..."
    { logged apt-get update -qq && logged apt-get install -y -qq --no-install-recommends debootstrap; } ||
        die "apt-get could not install debootstrap. After you have fixed that, run this again; or: deploy/diarizer/setup.sh wheels."
}

# In a mount and process namespace of its own, so that nothing a package mounts or starts stays.
in_root() {
    # shellcheck disable=SC2016 # meant for the inner shell
    unshare --mount --pid --fork --kill-child sh -c \
        'mount -t proc proc "$0/proc" && mount --rbind /dev "$0/dev" && exec chroot "$0" "$@"' "$@"
}

make_root() {
    wanted=$(printf '%s' "sid $packages" | cksum)
    [ -f "$root/.whisperjob" ] && [ "$(cat "$root/.whisperjob")" = "$wanted" ] && return
    need_debootstrap
    unfinished=$place/root.unfinished
    rm -rf "$unfinished"
    say "Making a Debian (sid) for PyTorch in $root, once. All of it takes about 3 minutes; $log has the details."
    logged debootstrap --variant=minbase --include=ca-certificates,python3 sid "$unfinished" ||
        die "debootstrap could not make a Debian (see $log). Run this again, or: deploy/diarizer/setup.sh wheels."
    printf '#!/bin/sh\nexit 101\n' >"$unfinished/usr/sbin/policy-rc.d"
    chmod 755 "$unfinished/usr/sbin/policy-rc.d"
    [ ! -f /etc/resolv.conf ] || cat /etc/resolv.conf >"$unfinished/etc/resolv.conf"
    certificates=etc/ssl/certs/ca-certificates.crt
    [ ! -f "/$certificates" ] || cp "/$certificates" "$unfinished/$certificates"
    # sid moves daily and mirrors lag: what is signed is good, however old its list. The list's date is not looked at.
    logged in_root "$unfinished" apt-get -o Acquire::Check-Valid-Until=false update -qq ||
        die "The new Debian cannot read its package lists (see $log)."
    say "Installing PyTorch in it..."
    # shellcheck disable=SC2086 # a list of words
    logged in_root "$unfinished" apt-get install -y -q --no-install-recommends $packages ||
        die "The new Debian cannot install PyTorch (see $log). sid may be in motion: try again tomorrow, or: deploy/diarizer/setup.sh wheels."
    rm -rf "$unfinished"/var/cache/apt/archives/*.deb "$unfinished"/var/cache/apt/*.bin "$unfinished"/var/lib/apt/lists/*
    # Absolute links would lead out of it, since programs of this root run without chroot too.
    in_root "$unfinished" python3 - <<'PYTHON'
import os
for folder, folders, files in os.walk("/"):
    if folder == "/":
        folders[:] = [name for name in folders if name not in ("proc", "dev", "sys", "run")]
    for path in (os.path.join(folder, name) for name in folders + files):
        if os.path.islink(path) and (target := os.readlink(path)).startswith("/"):
            if not target.startswith(("/proc", "/dev", "/run")):
                os.unlink(path)
                os.symlink(os.path.relpath(target, folder), path)
PYTHON
    printf '%s' "$wanted" >"$unfinished/.whisperjob"
    rm -rf "$root" "$venv"
    mv "$unfinished" "$root"
}

# The root's Python as an ordinary program of this system: its own loader, its own libraries, the same files as all.
# A virtual environment of it, made by hand, for an unchanged one would name an interpreter the kernel cannot start.
make_debian_venv() {
    version=$(basename "$root"/usr/bin/python3.[0-9]*[0-9])
    mkdir -p "$venv/bin" "$venv/lib/$version/site-packages"
    printf 'home = %s\ninclude-system-site-packages = true\nversion = %s\n' "$root/usr/bin" "${version#python}" >"$venv/pyvenv.cfg"
    cat >"$venv/bin/python.new" <<'SCRIPT'
#!/bin/sh
here=$(CDPATH='' cd -- "${0%/*}" && pwd -P)
root=${here%/venv/bin}/root
for libraries in "$root"/usr/lib/*-linux-gnu*; do
    for loader in "$libraries"/ld-linux-*.so.*; do
        if [ -x "$loader" ]; then
            exec "$loader" --inhibit-cache --library-path "$libraries:$root/usr/lib" --argv0 "$here/python" "$root/usr/bin/python3" "$@"
        fi
    done
done
echo "The diarizer's Python is gone from $root: run make diarizer again." >&2
exit 127
SCRIPT
    chmod 755 "$venv/bin/python.new"
    mv "$venv/bin/python.new" "$venv/bin/python"
    ln -sf python "$venv/bin/python3"
}

make_wheels_venv() {
    for python in ${PYTHON:-python3.13 python3.12 python3.14 python3}; do
        "$python" -c 'import sys; sys.exit(sys.version_info < (3, 12))' 2>/dev/null && break
        python=
    done
    [ -n "$python" ] || die "The diarizer needs Python 3.12 or newer here. Install one, or name it: make diarizer PYTHON=/path/to/python3."
    [ -x "$venv/bin/pip" ] && grep -qF "$venv" "$venv/bin/activate" && return
    [ ! -L "$venv" ] || die "$venv is a link to $(readlink "$venv"). Remove the link, and run this again."
    "$python" -m venv --clear "$venv" || die "The virtual environment $venv could not be made with $python."
}

install_packages() { # LOCK OPTION…
    lock=$1
    shift
    wanted=$("$venv/bin/python" -c 'import sys; print(sys.version)'; cat "$lock")
    wanted=$(printf '%s' "$wanted" | cksum)
    [ -f "$venv/.whisperjob" ] && [ "$(cat "$venv/.whisperjob")" = "$wanted" ] && return
    rm -f "$place/python"
    say "Installing Python packages from $lock..."
    logged "$venv/bin/python" -m pip --disable-pip-version-check --no-input install --progress-bar off --only-binary :all: \
        --require-hashes "$@" --requirement "$lock" || die "pip could not install the packages (see $log)."
    printf '%s' "$wanted" >"$venv/.whisperjob"
}

write_network() {
    say "Writing the network of voice prints for ONNX Runtime..."
    PYTHONPATH=core:images/diarizer logged "$venv/bin/python" -P -m whisperjob_diarizer.onnx_campplus "$models" ||
        say "The network of voice prints could not be written for ONNX Runtime (see $log): PyTorch will do, in twice the time."
}

finish() {
    models=$venv/share/whisperjob-diarizer
    say "Fetching the models, if they are not here..."
    logged "$venv/bin/python" deploy/diarizer/models.py "$models" ||
        die "The bundled models could not be fetched. Run this again after you have fixed that."
    [ "$models/campplus.onnx" -nt "$models/campplus.pt" ] || write_network
    [ -x "$place/python" ] && return # nothing changed
    versions=$("$venv/bin/python" -c '
import importlib.metadata, platform, torch, torchaudio
pyannote = importlib.metadata.version("pyannote-audio")
print(f"Python {platform.python_version()}, PyTorch {torch.__version__}, pyannote.audio {pyannote}")' 2>>"$log") ||
        die "The environment does not work (see $log). Remove $place and run this again."
    # shellcheck disable=SC2016 # meant for the script
    printf '#!/bin/sh\nexec "${0%%/*}/venv/bin/python" "$@"\n' >"$place/python.new"
    chmod 755 "$place/python.new"
    mv "$place/python.new" "$place/python"
    say "The diarizer is ready: $versions."
}

export DEBIAN_FRONTEND=noninteractive
trap stop_reporter EXIT
trap 'exit 130' INT
trap 'exit 143' TERM
way=${1:-$(choose_way)}
mkdir -p "$place"
: >"$log"
case $way in
    debian)
        [ "$(id -u)" = 0 ] || die "Debian's PyTorch needs root once, to make its file system: run as root, or: deploy/diarizer/setup.sh wheels."
        make_root
        make_debian_venv
        install_packages requirements/diarizer-debian.txt --no-deps
        ;;
    wheels)
        [ -d "$root" ] && [ -f "$venv/.whisperjob" ] && die "There is a Debian one already in $place; remove that folder to make another."
        make_wheels_venv
        install_packages requirements/diarizer.txt --no-deps
        ;;
    *) die "setup.sh: neither debian nor wheels: $way" ;;
esac
finish
