/* A list of system calls that the service never makes, denied by a filter (seccomp(2)). Those that
   are missing from an older header do not exist for this build, and Landlock holds there too. */
#include "server/start/sandbox.h"

#include <errno.h>
#include <linux/audit.h>
#include <linux/filter.h>
#include <linux/seccomp.h>
#include <sched.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/prctl.h>
#include <sys/socket.h>
#include <sys/syscall.h>
#include <unistd.h>

#if defined(__x86_64__)
enum { ARCHITECTURE_KNOWN = 1, OTHER_ABI = 0x40000000 /* x32 */ };
static const uint32_t architecture = AUDIT_ARCH_X86_64;
#elif defined(__aarch64__)
enum { ARCHITECTURE_KNOWN = 1, OTHER_ABI = 0x40000000 };
static const uint32_t architecture = AUDIT_ARCH_AARCH64;
#else
enum { ARCHITECTURE_KNOWN = 0, OTHER_ABI = 0x40000000 };
static const uint32_t architecture = 0;
#endif

/* LeakSanitizer stops the threads by ptrace, and AddressSanitizer runs a symbolizer. */
#if defined(__SANITIZE_ADDRESS__)
#define UNDER_SANITIZER 1
#elif defined(__has_feature)
#if __has_feature(address_sanitizer)
#define UNDER_SANITIZER 1
#endif
#endif

static const int denied[] = {
#ifndef UNDER_SANITIZER
    SYS_execve,
    SYS_execveat, /* commands are the helper's */
    SYS_ptrace,
#endif
    /* other processes, and what is kept for them */
    SYS_process_vm_readv,
    SYS_process_vm_writev,
    SYS_kcmp,
    SYS_pidfd_getfd,
    SYS_add_key,
    SYS_request_key,
    SYS_keyctl,
    SYS_migrate_pages,
    SYS_move_pages,
    /* other worlds */
    SYS_unshare,
    SYS_setns,
    SYS_chroot,
    SYS_pivot_root,
    SYS_mount,
    SYS_umount2,
    SYS_move_mount,
    SYS_open_tree,
    SYS_fsopen,
    SYS_fsconfig,
    SYS_fsmount,
    SYS_fspick,
    SYS_mount_setattr,
    SYS_name_to_handle_at,
    SYS_open_by_handle_at,
    SYS_personality,
    /* doors into the kernel */
    SYS_bpf,
    SYS_perf_event_open,
    SYS_userfaultfd,
    SYS_io_uring_setup,
    SYS_io_uring_enter,
    SYS_io_uring_register,
    SYS_vmsplice,
    /* the machine's */
    SYS_kexec_load,
    SYS_kexec_file_load,
    SYS_init_module,
    SYS_finit_module,
    SYS_delete_module,
    SYS_reboot,
    SYS_swapon,
    SYS_swapoff,
    SYS_syslog,
    SYS_acct,
    SYS_quotactl,
    SYS_settimeofday,
    SYS_clock_settime,
    SYS_clock_adjtime,
    SYS_adjtimex,
    SYS_sethostname,
    SYS_setdomainname,
    SYS_vhangup,
#ifdef SYS_iopl
    SYS_iopl,
    SYS_ioperm,
    SYS_modify_ldt,
#endif
};

/* clone(2) makes threads, but no namespaces. CLONE_NEWTIME is no flag of it. */
enum {
    NAMESPACES = CLONE_NEWNS | CLONE_NEWCGROUP | CLONE_NEWUTS | CLONE_NEWIPC | CLONE_NEWUSER |
                 CLONE_NEWPID | CLONE_NEWNET
};

static const int families[] = {AF_UNIX, AF_INET, AF_INET6, AF_NETLINK};

enum { FAMILIES = sizeof families / sizeof *families, DENIED = sizeof denied / sizeof *denied };

struct program {
    struct sock_filter lines[32 + 2 * DENIED + FAMILIES];
    unsigned short count;
};

static void add(struct program *p, uint16_t code, uint32_t k, uint8_t if_true, uint8_t if_false)
{
    p->lines[p->count++] = (struct sock_filter){code, if_true, if_false, k};
}

static void load(struct program *p, size_t offset)
{
    add(p, BPF_LD | BPF_W | BPF_ABS, (uint32_t)offset, 0, 0);
}

static void end(struct program *p, uint32_t action)
{
    add(p, BPF_RET | BPF_K, action, 0, 0);
}

static const uint32_t refusal = SECCOMP_RET_ERRNO | EPERM;

/* Goes on behind with the number of the call loaded; its first argument lies in the low half. */
static void judge_arguments(struct program *p)
{
    const size_t first = offsetof(struct seccomp_data, args);
    /* What clone3 is asked for lies in memory, where no filter looks; libc then takes clone. */
    add(p, BPF_JMP | BPF_JEQ | BPF_K, SYS_clone3, 0, 1);
    end(p, SECCOMP_RET_ERRNO | ENOSYS);
    add(p, BPF_JMP | BPF_JEQ | BPF_K, SYS_clone, 0, 4);
    load(p, first);
    add(p, BPF_JMP | BPF_JSET | BPF_K, (uint32_t)NAMESPACES, 0, 1);
    end(p, refusal);
    end(p, SECCOMP_RET_ALLOW);
    add(p, BPF_JMP | BPF_JEQ | BPF_K, SYS_socket, 0, FAMILIES + 3);
    load(p, first);
    for (int i = 0; i < FAMILIES; i++)
        add(p, BPF_JMP | BPF_JEQ | BPF_K, (uint32_t)families[i], (uint8_t)(FAMILIES - i), 0);
    end(p, refusal);
    end(p, SECCOMP_RET_ALLOW);
}

static void build(struct program *p)
{
    load(p, offsetof(struct seccomp_data, arch));
    add(p, BPF_JMP | BPF_JEQ | BPF_K, architecture, 1, 0);
    end(p, refusal);
    load(p, offsetof(struct seccomp_data, nr));
    add(p, BPF_JMP | BPF_JGE | BPF_K, OTHER_ABI, 0, 1);
    end(p, refusal);
    judge_arguments(p);
    for (int i = 0; i < DENIED; i++) {
        add(p, BPF_JMP | BPF_JEQ | BPF_K, (uint32_t)denied[i], 0, 1);
        end(p, refusal);
    }
    end(p, SECCOMP_RET_ALLOW);
}

int sandbox_seccomp(void)
{
    struct program program = {.count = 0};
    if (!ARCHITECTURE_KNOWN) {
        errno = ENOSYS;
        return -1;
    }
    build(&program);
    const struct sock_fprog filter = {.len = program.count, .filter = program.lines};
    return prctl(PR_SET_SECCOMP, SECCOMP_MODE_FILTER, &filter, 0L, 0L);
}
