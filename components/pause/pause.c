// The first process of every pod. It holds the pod's namespaces, reaps the orphans of a shared process namespace, and
// exits on SIGINT or SIGTERM. `pause -v` prints the version.
//
// The program makes its few system calls without a C library, so that it is a small static file on every architecture:
//
//   CC -Os -static -nostdlib -ffreestanding -fno-stack-protector -fno-asynchronous-unwind-tables -fno-pic -no-pie
//      -Wl,--build-id=none -s -DVERSION='"3.10.2"' pause.c

#ifndef VERSION
#error "-DVERSION='\"3.10.2\"' is missing"
#endif

// From the kernel's headers asm-generic/signal.h, asm-generic/signal-defs.h, linux/wait.h and asm-generic/errno-base.h.
// The values are the same on all architectures below, but differ on MIPS, Alpha, SPARC and PA-RISC.
enum { SIGINT = 2, SIGTERM = 15, SIGCHLD = 17, SIG_SETMASK = 2, WNOHANG = 1, ENOSYS = 38 };

// System call numbers, from the Linux sources: arch/x86/entry/syscalls/syscall_64.tbl, arch/arm/tools/syscall.tbl
// (EABI), scripts/syscall.tbl for arm64 and riscv (until 6.10 include/uapi/asm-generic/unistd.h),
// arch/s390/kernel/syscalls/syscall.tbl, arch/powerpc/kernel/syscalls/syscall.tbl.
#if defined(__x86_64__)
enum { NR_write = 1, NR_rt_sigprocmask = 14, NR_rt_sigtimedwait = 128, NR_wait4 = 61, NR_exit_group = 231 };
#elif defined(__arm__) && defined(__ARM_EABI__)
// Kernels without COMPAT_32BIT_TIME lack the old rt_sigtimedwait, kernels before 5.1 the new one.
enum { NR_write = 4, NR_rt_sigprocmask = 175, NR_rt_sigtimedwait = 177, NR_rt_sigtimedwait_time64 = 421 };
enum { NR_wait4 = 114, NR_exit_group = 248 };
#elif defined(__aarch64__) || (defined(__riscv) && __riscv_xlen == 64)
enum { NR_write = 64, NR_rt_sigprocmask = 135, NR_rt_sigtimedwait = 137, NR_wait4 = 260, NR_exit_group = 94 };
#elif defined(__s390x__)
enum { NR_write = 4, NR_rt_sigprocmask = 175, NR_rt_sigtimedwait = 177, NR_wait4 = 114, NR_exit_group = 248 };
#elif defined(__powerpc64__) && _CALL_ELF == 2
enum { NR_write = 4, NR_rt_sigprocmask = 174, NR_rt_sigtimedwait = 176, NR_wait4 = 114, NR_exit_group = 234 };
#else
#error "no system call numbers for this architecture"
#endif

// call makes a system call with up to four arguments. It returns the result, or the negative error number.
static long call(long number, long a, long b, long c, long d) {
#if defined(__x86_64__)
  register long r10 __asm__("r10") = d;
  long result;
  __asm__ volatile("syscall" : "=a"(result) : "a"(number), "D"(a), "S"(b), "d"(c), "r"(r10) : "rcx", "r11", "memory");
  return result;
#elif defined(__arm__)
  register long r7 __asm__("r7") = number;
  register long r0 __asm__("r0") = a;
  register long r1 __asm__("r1") = b;
  register long r2 __asm__("r2") = c;
  register long r3 __asm__("r3") = d;
  __asm__ volatile("svc #0" : "+r"(r0) : "r"(r7), "r"(r1), "r"(r2), "r"(r3) : "memory");
  return r0;
#elif defined(__aarch64__)
  register long x8 __asm__("x8") = number;
  register long x0 __asm__("x0") = a;
  register long x1 __asm__("x1") = b;
  register long x2 __asm__("x2") = c;
  register long x3 __asm__("x3") = d;
  __asm__ volatile("svc #0" : "+r"(x0) : "r"(x8), "r"(x1), "r"(x2), "r"(x3) : "memory", "cc");
  return x0;
#elif defined(__riscv)
  register long a7 __asm__("a7") = number;
  register long a0 __asm__("a0") = a;
  register long a1 __asm__("a1") = b;
  register long a2 __asm__("a2") = c;
  register long a3 __asm__("a3") = d;
  __asm__ volatile("ecall" : "+r"(a0) : "r"(a7), "r"(a1), "r"(a2), "r"(a3) : "memory");
  return a0;
#elif defined(__s390x__)
  register long r1 __asm__("r1") = number;
  register long r2 __asm__("r2") = a;
  register long r3 __asm__("r3") = b;
  register long r4 __asm__("r4") = c;
  register long r5 __asm__("r5") = d;
  __asm__ volatile("svc 0" : "+d"(r2) : "d"(r1), "d"(r3), "d"(r4), "d"(r5) : "memory", "cc");
  return r2;
#elif defined(__powerpc64__)
  // The summary overflow bit of cr0 indicates an error, whose number is positive. The clobbered registers are those in
  // Documentation/arch/powerpc/syscall64-abi.rst.
  register long r0 __asm__("r0") = number;
  register long r3 __asm__("r3") = a;
  register long r4 __asm__("r4") = b;
  register long r5 __asm__("r5") = c;
  register long r6 __asm__("r6") = d;
  __asm__ volatile("sc\n\tbns+ 0f\n\tneg 3, 3\n0:"
                   : "+r"(r0), "+r"(r3), "+r"(r4), "+r"(r5), "+r"(r6)
                   :
                   : "memory", "cr0", "cr1", "cr5", "cr6", "cr7", "ctr", "xer", "r7", "r8", "r9", "r10", "r11", "r12");
  return r3;
#endif
}

// _start calls start() with the initial stack pointer, which points to argc and argv.
#if defined(__x86_64__)
__asm__(".globl _start\n.type _start, @function\n_start:\n"
        "\txor %ebp, %ebp\n\tmov %rsp, %rdi\n\tand $-16, %rsp\n\tcall start\n");
#elif defined(__arm__)
// A naked function is compiled for ARM or Thumb like the rest of the file.
__attribute__((naked, used, noreturn)) void _start(void) {
  __asm__("mov r0, sp\n\tbl start");
}
#elif defined(__aarch64__)
__asm__(".globl _start\n.type _start, %function\n_start:\n\tmov x29, #0\n\tmov x30, #0\n\tmov x0, sp\n\tbl start\n");
#elif defined(__riscv)
// The linker's relaxations address data relative to gp.
__asm__(".globl _start\n.type _start, @function\n_start:\n"
        "\t.option push\n\t.option norelax\n\tla gp, __global_pointer$\n\t.option pop\n"
        "\tmv a0, sp\n\tcall start\n");
#elif defined(__s390x__)
__asm__(".globl _start\n.type _start, @function\n_start:\n"
        "\tlgr %r2, %r15\n\taghi %r15, -160\n\txc 0(8,%r15), 0(%r15)\n\tbrasl %r14, start\n");
#elif defined(__powerpc64__)
// r2 must point to the table of contents. Its address is calculated relative to this code, because r12 is not reliable
// here.
__asm__(".globl _start\n.type _start, @function\n_start:\n"
        "\tbcl 20, 31, 0f\n0:\tmflr 2\n\taddis 2, 2, .TOC.-0b@ha\n\taddi 2, 2, .TOC.-0b@l\n"
        "\tmr 3, 1\n\tclrrdi 1, 1, 4\n\tli 0, 0\n\tstdu 0, -32(1)\n\tbl start\n\tnop\n");
#endif

// The kernel's sigset_t has 64 bits in words of type long. The first word contains the first signals.
enum { SIGNAL_SET_BYTES = 8 };
#define BIT(signal) (1ul << ((signal) - 1))

static _Noreturn void leave(long code) {
  for (;;) call(NR_exit_group, code, 0, 0, 0);
}

// next_signal waits for a blocked signal. It returns the signal, or the negative error number.
static long next_signal(const unsigned long* set) {
#if defined(__arm__)
  const long signal = call(NR_rt_sigtimedwait_time64, (long)set, 0, 0, SIGNAL_SET_BYTES);
  if (signal != -ENOSYS) return signal;
#endif
  return call(NR_rt_sigtimedwait, (long)set, 0, 0, SIGNAL_SET_BYTES);
}

__attribute__((used)) _Noreturn void start(const long* stack) {
  const long count = stack[0];
  const char* const* arguments = (const char* const*)(stack + 1);
  if (count > 1 && arguments[1][0] == '-' && arguments[1][1] == 'v' && arguments[1][2] == '\0') {
    static const char version[] = "pause " VERSION "\n";
    const long written = call(NR_write, 1, (long)version, sizeof version - 1, 0);
    leave(written == (long)sizeof version - 1 ? 0 : 1);
  }

  // Blocked signals stay pending until next_signal takes them. Without this, the kernel would ignore them, because this
  // is the first process of its namespace.
  const unsigned long set[SIGNAL_SET_BYTES / sizeof(long)] = {BIT(SIGINT) | BIT(SIGTERM) | BIT(SIGCHLD)};
  if (call(NR_rt_sigprocmask, SIG_SETMASK, (long)set, 0, SIGNAL_SET_BYTES) != 0) leave(1);
  for (;;) {
    // Children are reaped before the wait: a child that ended before the signals were blocked causes no signal, and one
    // signal can stand for several children.
    while (call(NR_wait4, -1, 0, WNOHANG, 0) > 0) {
    }
    const long signal = next_signal(set);
    if (signal == SIGINT || signal == SIGTERM) leave(0);
    if (signal == -ENOSYS) leave(1);  // after other errors, such as an interrupted wait, the loop waits again
  }
}
