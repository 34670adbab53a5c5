"""Programs out of Debian's packages without installing them: apt in a folder of its own, no root needed."""

import re
import subprocess
from collections.abc import Iterator
from pathlib import Path

KEYRING = Path("/usr/share/keyrings/debian-archive-keyring.gpg")


class UnavailableError(Exception):
    """This way of getting a program does not work here; the text says why."""


def output(*command: str | Path) -> str:
    """What the command prints. Raises UnavailableError when it cannot be run or fails."""
    try:
        done = subprocess.run(command, capture_output=True, text=True, stdin=subprocess.DEVNULL, check=False)
    except OSError as error:
        raise UnavailableError(f"{command[0]} cannot be run ({error.strerror})") from error
    if done.returncode != 0:
        last_words = (done.stderr or done.stdout).strip().splitlines()[-1:] or ["no message"]
        raise UnavailableError(f"{Path(command[0]).name} failed: {last_words[0]}")
    return done.stdout


def debian_mirror() -> str:
    """The address of the Debian mirror that this machine's own apt uses."""
    wanted = "$(REPO_URI)|$(ORIGIN)|$(LABEL)|$(COMPONENT)"
    for line in output("apt-get", "indextargets", "--format", wanted, "Created-By: Packages").splitlines():
        uri, *is_debian = line.split("|")
        if is_debian == ["Debian", "Debian", "main"]:
            return uri
    # Before a machine's first "apt-get update" the list above is empty, but the release files have addresses.
    found = re.search(r"'([^']+/debian/)dists/", output("apt-get", "update", "--print-uris"))
    if not found:
        raise UnavailableError("apt on this machine knows no Debian mirror")
    return found[1]


class PrivateApt:
    """apt working in a folder of its own: no root, and nothing of the machine's own lists is touched."""

    def __init__(self, folder: Path, mirror: str, suites: str) -> None:
        self.folder = folder
        for part in ("sources", "preferences", "state/lists/partial", "cache/archives/partial"):
            (folder / part).mkdir(parents=True)
        (folder / "state/status").touch()
        (folder / "sources/debian.sources").write_text(
            f"Types: deb\nURIs: {mirror}\nSuites: {suites}\nComponents: main\nSigned-By: {KEYRING}\n"
        )
        settings = {
            "Dir::Etc::SourceList": "/dev/null",
            "Dir::Etc::SourceParts": folder / "sources",
            "Dir::Etc::Preferences": "/dev/null",
            "Dir::Etc::PreferencesParts": folder / "preferences",
            "Dir::State": folder / "state",
            "Dir::State::Lists": folder / "state/lists",
            "Dir::State::status": folder / "state/status",
            "Dir::Cache": folder / "cache",
            # Container images unset these two, which makes every call read all lists again.
            "Dir::Cache::pkgcache": "pkgcache.bin",
            "Dir::Cache::srcpkgcache": "srcpkgcache.bin",
            "APT::Sandbox::User": "",
            "Acquire::Languages": "none",
            "Acquire::Retries": "3",
            "Debug::NoLocking": "1",
        }
        self.options = [word for name, value in settings.items() for word in ("-o", f"{name}={value}")]

    def update(self) -> None:
        output("apt-get", *self.options, "--error-on=any", "update")

    def closure(self, package: str) -> set[str]:
        """The package and every library it needs; helpers such as debconf and systemd are left out."""
        known, ask = {package}, {package}
        while ask:
            shown = output("apt-cache", *self.options, "show", "--no-all-versions", *sorted(ask))
            ask = set(libraries_needed(shown)) - known
            known |= ask
        return known

    def unpack(self, packages: list[str], root: Path) -> None:
        archives = self.folder / "archives"
        archives.mkdir()
        output("env", "-C", archives, "apt-get", *self.options, "download", *packages)
        for archive in archives.glob("*.deb"):
            output("dpkg", "-x", archive, root)


def libraries_needed(shown: str) -> Iterator[str]:
    """The libraries in the Depends and Pre-Depends lines of ``apt-cache show``, first alternatives only."""
    for line in re.findall(r"^(?:Pre-)?Depends: (.*)$", shown, re.MULTILINE):
        for dependency in line.split(","):
            name = re.split(r"[ |:(]", dependency.strip())[0]
            if name.startswith(("lib", "zlib")):
                yield name
