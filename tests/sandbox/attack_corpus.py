"""All attacks, by theme."""

from __future__ import annotations

import attacks_files
import attacks_language
import attacks_memory
import attacks_network
import attacks_processes
import attacks_protocol

THEMES = {
    "files": attacks_files.ATTACKS,
    "network": attacks_network.ATTACKS,
    "processes and threads": attacks_processes.ATTACKS,
    "memory, native code, time": attacks_memory.ATTACKS,
    "language": attacks_language.ATTACKS,
    "protocol, denial of service, output": attacks_protocol.ATTACKS,
}
ATTACKS = [attack for theme in THEMES.values() for attack in theme]
