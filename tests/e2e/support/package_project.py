"""A copy of the project, in which packages are added to pc or to the base system of another architecture."""
import json
import os
import re
import shutil
import subprocess
import tomllib

root = os.path.abspath(os.path.join(os.path.dirname(os.path.abspath(__file__)), "../../.."))
boards = {"amd64": "pc", "arm64": "linux-arm64", "armel": "linux-armv6"}
bare_boards = boards | {"amd64": "linux-amd64"}
# Locks of base.toml's packages, whose versions are kept.
locks = {"amd64": "pc", "arm64": "raspberrypi3-64", "armel": "raspberrypi0"}
program = os.environ.get("K8SIMG_PROGRAM", os.path.join(root, "build/k8simg"))
os.environ.setdefault("K8SIMG_STORE", os.path.join(root, "output/store"))


def cause(said):
    """The error without the messages before it."""
    lines = [line.strip() for line in said.splitlines()]
    starts = [i for i, line in enumerate(lines) if line.startswith(("error:", "k8simg:"))]
    lines = lines[starts[-1]:] if starts else lines[-6:]
    return re.sub(r"^error: ", "", " | ".join(line for line in lines if line and not line.startswith("remainder")))


def read_rows(name, columns):
    """First word of a row -> the further columns. The last column has blanks."""
    rows = {}
    if os.path.exists(name):
        with open(name) as file:
            for line in file:
                if line.strip() and not line.startswith("#"):
                    words = line.rstrip("\n").split(None, columns - 1)
                    rows[words[0]] = words[1:] + [""] * (columns - len(words))
    return rows


class PackageProject:
    """The defconfig "one" is the base and the packages that lock() is given. The base is pc. Where it is bare, and for
    other architectures, it is base.toml's packages without kernel, components and overlays."""

    def __init__(self, arch, folder, bare=False, lock=None):
        """lock: the file of the versions to keep."""
        self.folder = folder
        self.base_lock = lock or os.path.join(root, "defconfigs", locks[arch] + ".lock")
        self.bare = bare or arch != "amd64"
        self.board = (bare_boards if self.bare else boards)[arch]
        self.project = os.path.join(folder, "project")
        os.makedirs(self.path("defconfigs"))
        for name in ("boards", "components", "kernel-fragments", "overlays"):
            shutil.copytree(os.path.join(root, name), self.path(name), symlinks=True)
        # Each lock chooses the tools of all defconfigs, so there are no others than the needed ones.
        for name in ("base.toml", "kubernetes.toml", "architecture.toml", "node.toml.in", "scripts.toml", "tools.lock"):
            shutil.copy(os.path.join(root, "defconfigs", name), self.path("defconfigs", name))
        if self.bare:
            self.make_base()

    def file(self, name):
        return os.path.join(self.folder, name)

    def path(self, *names):
        return os.path.join(self.project, *names)

    def make_base(self):
        """A base for boards without a kernel: packages, exclusions and audit of base.toml over architecture.toml."""
        with open(self.path("defconfigs/base.toml"), "rb") as file:
            base = tomllib.load(file)
        lines = ["abstract = true", 'extends = "architecture"', 'description = "The base system"']

        def table(title, values):
            # Lists of text look the same in JSON and in TOML.
            lines.extend([title, *(f"{key} = {json.dumps(value)}" for key, value in values.items())])

        packages, rootfs = base["packages"], base["rootfs"]
        table("[packages]", {"essential": True, "install": packages["install"], "exclude": packages["exclude"]})
        table("[rootfs]", {"exclude": rootfs["exclude"], "keep": rootfs["keep"]})
        table("[rootfs.alternatives]", {"awk": rootfs["alternatives"]["awk"]})
        for title, entries in (("[[packages.unless]]", packages["unless"]), ("[[rootfs.unless]]", rootfs["unless"]),
                               ("[[audit.no-interpreter]]", base["audit"]["no-interpreter"])):
            for entry in entries:
                table(title, entry)
        with open(self.path("defconfigs/common.toml"), "w") as file:
            file.write("\n".join(lines) + "\n")

    def k8simg(self, *arguments):
        command = [program, "--project", self.project, "--output", self.file("output"), "--progress", "plain",
                   *arguments]
        return subprocess.run(command, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True, errors="replace")

    def write_defconfig(self, names, without):
        extends = "common" if self.bare else "kubernetes"
        with open(self.path("defconfigs/one.toml"), "w") as file:
            file.write(f'board = "{self.board}"\nextends = "{extends}"\ndescription = "One more package"\n')
            if not self.bare:
                # Container images have no packages.
                file.write('[node]\nrole = "single"\n[images]\npreload = false\n')
            file.write(f"[packages]\ninstall = {json.dumps([*(f'!{other}' for other in without), *names])}\n")
        with open(self.base_lock) as file:
            lock = file.read()
        with open(self.path("defconfigs/one.lock"), "w") as file:
            file.write(re.sub(r'"defconfig": "[^"]*"', '"defconfig": "one"', lock, count=1))

    def lock(self, names):
        """-> the error or "", and the packages of the base that are left out because the error says so. The error is
        None if the architecture lacks one of the names."""
        without = []
        while True:
            self.write_defconfig(names, without)
            done = self.k8simg("lock", "one")
            if done.returncode == 0:
                return "", without
            if any(re.search(rf'no suite has a package "?{re.escape(name)}\b', done.stdout) for name in names):
                return None, without
            remedy = [each for each in re.findall(r'"!([^"]+)"', done.stdout) if each not in without]
            if not remedy or len(without) > 3:
                return cause(done.stdout), without
            without.append(remedy[0])
