"""Tables of the Linux audit log: names of fields, kinds of records, numbers of system calls."""

from __future__ import annotations

X86_64 = "c000003e"
NAMES = {
    "pid": "process.pid", "ppid": "process.parent.pid", "exe": "process.executable", "comm": "process.name",
    "exit": "process.exit_code", "cwd": "process.working_directory", "name": "file.path", "unit": "service.name",
}
IDS = {"uid": ("user.id",), "euid": ("user.effective.id",), "gid": ("group.id", "user.group.id"),
    "egid": ("user.effective.group.id",)}
ARCHITECTURES = {X86_64: "x86_64", "40000003": "i386", "c00000b7": "aarch64", "c0000102": "loongarch64",
    "80000015": "ppc64", "c0000015": "ppc64le", "c00000f3": "riscv64"}
AUTHENTICATION, SESSION, IAM = ("authentication",), ("session",), ("iam",)
CONFIGURATION, PROCESS, PACKAGE = ("configuration",), ("process",), ("package",)
INFO, START, END, CHANGE, STOP = ("info",), ("start",), ("end",), ("change",), ("end",)
# record type → (categories, types, action)
KINDS: dict[str, tuple[tuple[str, ...], tuple[str, ...], str]] = {
    "USER_AUTH": (AUTHENTICATION, INFO, "authenticated"), "USER_ACCT": (AUTHENTICATION, INFO, "was-authorized"),
    "USER_LOGIN": (AUTHENTICATION, START, "logged-in"), "USER_LOGOUT": (AUTHENTICATION, END, "logged-out"),
    "USER_START": (SESSION, START, "started-session"), "USER_END": (SESSION, END, "ended-session"),
    "CRED_ACQ": (AUTHENTICATION, INFO, "acquired-credentials"),
    "CRED_DISP": (AUTHENTICATION, INFO, "disposed-credentials"),
    "CRED_REFR": (AUTHENTICATION, INFO, "refreshed-credentials"),
    "LOGIN": (AUTHENTICATION, START, "changed-login-id-to"), "USER_ERR": (AUTHENTICATION, INFO, "error"),
    "USER_CMD": (PROCESS, START, "ran-command"), "USER_CHAUTHTOK": (IAM, ("user", "change"), "changed-password"),
    "USER_MGMT": (IAM, ("user", "change"), "modified-user-account"),
    "ADD_USER": (IAM, ("user", "creation"), "added-user-account"),
    "DEL_USER": (IAM, ("user", "deletion"), "deleted-user-account"),
    "ADD_GROUP": (IAM, ("group", "creation"), "added-group-account-to"),
    "DEL_GROUP": (IAM, ("group", "deletion"), "deleted-group-account-from"),
    "GRP_MGMT": (IAM, ("group", "change"), "modified-group-account"),
    "GRP_CHAUTHTOK": (IAM, ("group", "change"), "changed-group-password"),
    "ROLE_ASSIGN": (IAM, ("user", "change"), "assigned-user-role-to"),
    "CONFIG_CHANGE": (CONFIGURATION, CHANGE, "changed-audit-configuration"),
    "NETFILTER_CFG": (CONFIGURATION, CHANGE, "loaded-firewall-rule-to"),
    "MAC_STATUS": (CONFIGURATION, CHANGE, "changed-selinux-enforcement"),
    "MAC_POLICY_LOAD": (CONFIGURATION, CHANGE, "loaded-selinux-policy"),
    "SERVICE_START": (PROCESS, START, "started-service"), "SERVICE_STOP": (PROCESS, STOP, "stopped-service"),
    "SYSTEM_BOOT": (("host",), START, "booted-system"), "SYSTEM_SHUTDOWN": (("host",), END, "shutdown-system"),
    "SYSTEM_RUNLEVEL": (("host",), CHANGE, "changed-to-runlevel"),
    "DAEMON_START": (PROCESS, START, "started-audit"), "DAEMON_END": (PROCESS, STOP, "shutdown-audit"),
    "DAEMON_ABORT": (PROCESS, STOP, "aborted-auditd-startup"),
    "EXECVE": (PROCESS, START, "executed"), "SYSCALL": (PROCESS, INFO, ""), "AVC": (("host",), INFO, "violated-policy"),
    "ANOM_PROMISCUOUS": (("network",), CHANGE, "changed-promiscuous-mode-on-device"),
    "ANOM_ABEND": (PROCESS, END, "crashed-program"), "PATH": (("file",), INFO, ""), "CWD": (("file",), INFO, ""),
    "SOCKADDR": (("network",), INFO, ""), "KERN_MODULE": (("driver",), START, "loaded-kernel-module"),
    "SOFTWARE_UPDATE": (PACKAGE, INFO, "package-updated"), "TTY": (PROCESS, INFO, "typed"),
    "USER_TTY": (PROCESS, INFO, "typed"), "CRYPTO_SESSION": (PROCESS, INFO, "negotiated-crypto-key"),
    "CRYPTO_KEY_USER": (PROCESS, INFO, "negotiated-crypto-key"),
}
# calls that rules and people name, by their x86-64 number
CALLS = {
    "0": "read", "1": "write", "2": "open", "9": "mmap", "10": "mprotect", "41": "socket", "42": "connect",
    "43": "accept", "44": "sendto", "45": "recvfrom", "49": "bind", "50": "listen", "54": "setsockopt", "56": "clone",
    "57": "fork", "58": "vfork", "59": "execve", "62": "kill", "76": "truncate", "77": "ftruncate", "80": "chdir",
    "82": "rename", "83": "mkdir", "84": "rmdir", "85": "creat", "86": "link", "87": "unlink", "88": "symlink",
    "90": "chmod", "91": "fchmod", "92": "chown", "93": "fchown", "94": "lchown", "101": "ptrace", "105": "setuid",
    "106": "setgid", "113": "setreuid", "117": "setresuid", "132": "utime", "155": "pivot_root", "157": "prctl",
    "159": "adjtimex", "161": "chroot", "164": "settimeofday", "165": "mount", "166": "umount2", "169": "reboot",
    "170": "sethostname", "175": "init_module", "176": "delete_module", "188": "setxattr", "189": "lsetxattr",
    "190": "fsetxattr", "197": "removexattr", "235": "utimes", "257": "openat", "258": "mkdirat", "263": "unlinkat",
    "264": "renameat", "268": "fchmodat", "260": "fchownat", "272": "unshare", "288": "accept4", "308": "setns",
    "310": "process_vm_readv", "311": "process_vm_writev", "313": "finit_module", "316": "renameat2",
    "319": "memfd_create", "321": "bpf", "322": "execveat", "437": "openat2",
}
