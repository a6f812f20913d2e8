/* Code that runs as ffmpeg and wants out. It is run as a confined program:
 *
 *     escapes INPUT SCRATCH DATABASE OBJECT KEY_FILE STORE TCP_PORT ABSTRACT_SOCKET
 *
 * One line for each attempt: its name, and the error number that refused it; 0 is an escape. The attempts at the end
 * replace the program, so that what they start prints their line. */
#define _GNU_SOURCE
#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <pthread.h>
#include <sched.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/mount.h>
#include <sys/personality.h>
#include <sys/prctl.h>
#include <sys/ptrace.h>
#include <sys/resource.h>
#include <sys/shm.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <sys/time.h>
#include <sys/uio.h>
#include <sys/un.h>
#include <sys/wait.h>
#include <arpa/inet.h>
#include <unistd.h>

static void tell(const char *name, long result) {
    printf("%s %d\n", name, result < 0 ? errno : 0);
    fflush(stdout);
}

#define TRY(name, call) do { errno = 0; tell(name, (long)(call)); } while (0)

static long read_file(const char *path) {
    char byte;
    int file = open(path, O_RDONLY | O_CLOEXEC);
    if (file < 0) return -1;
    long count = read(file, &byte, 1);
    int error = errno;
    close(file);
    errno = error;
    return count < 0 ? -1 : 0;
}

static long read_of(pid_t pid, const char *name) {
    char path[64];
    snprintf(path, sizeof path, "/proc/%d/%s", pid, name);
    return read_file(path);
}

static long open_to_write(const char *path, int flags) {
    int file = open(path, O_WRONLY | O_CLOEXEC | flags, 0600);
    if (file >= 0) close(file);
    return file;
}

static long list_folder(const char *path) {
    DIR *folder = opendir(path);
    if (!folder) return -1;
    closedir(folder);
    return 0;
}

static long end_child(pid_t child) {
    if (child == 0) _exit(0);
    if (child > 0) waitpid(child, NULL, 0);
    return child;
}

static void *in_thread(void *told) {
    *(int *)told = 1;
    return NULL;
}

static long start_thread(void) {
    pthread_t thread;
    int ran = 0, error = pthread_create(&thread, NULL, in_thread, &ran);
    if (error) { errno = error; return -1; }
    pthread_join(thread, NULL);
    return ran ? 0 : -1;
}

static long connect_tcp(int port) {
    struct sockaddr_in to = {.sin_family = AF_INET, .sin_port = htons(port), .sin_addr.s_addr = htonl(INADDR_LOOPBACK)};
    int s = socket(AF_INET, SOCK_STREAM, 0);
    return s < 0 ? -1 : connect(s, (struct sockaddr *)&to, sizeof to);
}

static long connect_abstract(const char *name) {
    struct sockaddr_un to = {.sun_family = AF_UNIX};
    memcpy(to.sun_path + 1, name, strlen(name));
    int s = socket(AF_UNIX, SOCK_STREAM, 0);
    return s < 0 ? -1 : connect(s, (struct sockaddr *)&to, offsetof(struct sockaddr_un, sun_path) + 1 + strlen(name));
}

static long signal_by_file(pid_t pid) { /* the kernel sends the signal when there is something to read */
    int ends[2];
    if (pipe(ends)) return -1;
    if (fcntl(ends[0], F_SETOWN, pid) || fcntl(ends[0], F_SETSIG, SIGCONT)) return -1;
    return fcntl(ends[0], F_SETFL, O_ASYNC);
}

static long read_memory(pid_t pid) {
    char byte;
    struct iovec here = {&byte, 1}, there = {(void *)&errno, 1};
    return process_vm_readv(pid, &here, 1, &there, 1, 0) < 0 && errno != EFAULT ? -1 : 0;
}

static long write_large(const char *folder) {
    char path[4096], piece[65536] = {0};
    signal(SIGXFSZ, SIG_IGN);
    snprintf(path, sizeof path, "%s/large", folder);
    int file = open(path, O_WRONLY | O_CREAT | O_CLOEXEC, 0600);
    if (file < 0) return -1;
    for (int i = 0; i < 64; i++)
        if (write(file, piece, sizeof piece) < 0) return -1;
    return 0;
}

static void *sleep_on(void *none) {
    for (;;) sleep(1000);
    return none;
}

static long start_many_threads(void) {
    pthread_attr_t small;
    pthread_t thread;
    pthread_attr_init(&small);
    pthread_attr_setstacksize(&small, 16384);
    for (int i = 0; i < 5000; i++)
        if ((errno = pthread_create(&thread, &small, sleep_on, NULL))) return -1;
    return 0;
}

static long take_memory(void) {
    return malloc(16L << 30) ? 0 : -1;
}

int main(int argc, char **argv) {
    if (argc != 9) return 2;
    char *input = argv[1], *scratch = argv[2], *database = argv[3], *object = argv[4], *key_file = argv[5];
    char *store = argv[6], *abstract = argv[8], path[4096];
    pid_t parent = getppid();

    /* what it must be able to do */
    TRY("may read its input", read_file(input));
    snprintf(path, sizeof path, "%s/result", scratch);
    TRY("may write its result", open_to_write(path, O_CREAT));
    TRY("may write to /dev/null", open_to_write("/dev/null", 0));
    TRY("may start threads", start_thread());

    /* what the service and others own */
    TRY("read the parent's environment", read_of(parent, "environ"));
    TRY("read the parent's memory", read_of(parent, "mem"));
    TRY("read the parent's files", read_of(parent, "fd/0"));
    TRY("read memory by process_vm_readv", read_memory(parent));
    TRY("trace the parent", ptrace(PTRACE_SEIZE, parent, 0, 0));
    TRY("take the parent's descriptor", syscall(SYS_pidfd_open, parent, 0));
    TRY("read the database", read_file(database));
    TRY("read another job's object", read_file(object));
    TRY("read the key file", read_file(key_file));
    TRY("list the store", list_folder(store));
    TRY("read /etc/passwd", read_file("/etc/passwd"));
    TRY("read the first process's environment", read_file("/proc/1/environ"));
    TRY("list the processes", list_folder("/proc"));
    TRY("write to the database", open_to_write(database, O_APPEND));
    TRY("write to its input", open_to_write(input, O_APPEND));
    TRY("truncate its input", truncate(input, 0));
    TRY("remove its input", unlink(input));
    TRY("change the input's mode", chmod(input, 0777));
    snprintf(path, sizeof path, "%s/../outside", store);
    TRY("write outside", open_to_write(path, O_CREAT));
    TRY("write to /tmp", open_to_write("/tmp/whisperjob-escape", O_CREAT));
    TRY("write to /dev/shm", open_to_write("/dev/shm/whisperjob-escape", O_CREAT));
    snprintf(path, sizeof path, "%s/link", scratch);
    TRY("link a file", link(input, path));
    TRY("link by name", symlink("/etc/passwd", path));
    TRY("make a device", mknod(path, S_IFCHR | 0600, 0x103));

    /* other processes */
    TRY("fork", end_child(fork()));
    TRY("fork by clone", end_child((pid_t)syscall(SYS_clone, SIGCHLD, 0, 0, 0, 0)));
    TRY("signal the parent", kill(parent, SIGCONT));
    TRY("signal the parent's thread", syscall(SYS_tgkill, parent, parent, SIGCONT));
    TRY("signal every process", kill(-1, 0));
    TRY("queue a signal", sigqueue(parent, SIGCONT, (union sigval){0}));
    TRY("signal by a file", signal_by_file(parent));
    TRY("limit the parent", prlimit(parent, RLIMIT_CORE, &(struct rlimit){0, 0}, NULL));
    TRY("slow the parent down", setpriority(PRIO_PROCESS, parent, 19));
    TRY("bind the parent to a core", sched_setaffinity(parent, sizeof(cpu_set_t), &(cpu_set_t){{1}}));

    /* the network */
    TRY("connect by TCP", connect_tcp(atoi(argv[7])));
    TRY("open an IPv6 socket", socket(AF_INET6, SOCK_DGRAM, 0));
    TRY("open a netlink socket", socket(AF_NETLINK, SOCK_RAW, 0));
    TRY("connect to an abstract socket", connect_abstract(abstract));
    int pair[2];
    TRY("open a pair of sockets", socketpair(AF_UNIX, SOCK_STREAM, 0, pair));

    /* more power, and more of the kernel */
    TRY("become root", setuid(0));
    TRY("leave its groups", setgid(0));
    TRY("make a user namespace", unshare(CLONE_NEWUSER));
    TRY("make a mount namespace", unshare(CLONE_NEWNS));
    TRY("mount", mount("none", scratch, "tmpfs", 0, NULL));
    TRY("change the root", chroot(scratch));
    TRY("set up io_uring", syscall(SYS_io_uring_setup, 1, NULL) < 0 && errno != EFAULT ? -1 : 0);
    TRY("use a key ring", syscall(SYS_keyctl, 0, -3, 1));
    TRY("add a key", syscall(SYS_add_key, "user", "a", "b", 1, -2));
    TRY("handle page faults", syscall(SYS_userfaultfd, 0));
    TRY("change the personality", personality(ADDR_NO_RANDOMIZE));
    TRY("load a BPF program", syscall(SYS_bpf, 0, NULL, 0) < 0 && errno != EFAULT && errno != EINVAL ? -1 : 0);
    TRY("count events", syscall(SYS_perf_event_open, NULL, 0, 0, 0, 0) < 0 && errno != EFAULT ? -1 : 0);
    TRY("type into a terminal", ioctl(0, TIOCSTI, "x") < 0 && errno != ENOTTY && errno != EIO ? -1 : 0);
    TRY("share memory", shmget(IPC_PRIVATE, 4096, IPC_CREAT | 0600));
    int memory;
    TRY("make a file of memory", memory = (int)syscall(SYS_memfd_create, "program", 0));
    TRY("be dumped", prctl(PR_SET_DUMPABLE, 1));

    /* more than its limits */
    TRY("write a large file", write_large(scratch));
    TRY("take all memory", take_memory());
    TRY("start 5000 threads", start_many_threads());
    TRY("raise its limits", setrlimit(RLIMIT_AS, &(struct rlimit){RLIM_INFINITY, RLIM_INFINITY}));

    /* another program */
    if (memory >= 0) {
        int shell = open("/bin/sh", O_RDONLY);
        char piece[65536];
        for (long n; shell >= 0 && (n = read(shell, piece, sizeof piece)) > 0;)
            if (write(memory, piece, n) != n) break;
    }
    char *none[] = {NULL}, *by_memory[] = {"sh", "-c", "echo run a program of memory 0", NULL};
    TRY("run a program of memory", syscall(SYS_execveat, memory, "", by_memory, none, AT_EMPTY_PATH));
    TRY("run a shell", execl("/bin/sh", "sh", "-c", "echo run a shell 0", NULL));
    /* The loader may be run, as it must be for the program itself, but finds nothing to load. */
    TRY("run by the loader", execl(LOADER, LOADER, "/bin/sh", "-c", "echo run by the loader 0", NULL));
    return 0;
}
