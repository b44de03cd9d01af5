"""Windows events as tables: which event data name fills which ECS column, and what each event id means.

Sysmon: https://learn.microsoft.com/sysinternals/downloads/sysmon; Security auditing:
https://learn.microsoft.com/windows/security/threat-protection/auditing. Every event data value is kept verbatim
under winlog.event_data besides; rules for a service read those, rules for a category read the ECS columns.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import NamedTuple


class Kind(NamedTuple):
    """One event id: its action, ECS category and types, Sigma categories, and event data → ECS columns.

    `split` names an event data value that decides more: value → (types, Sigma categories), "" for any other.
    """

    action: str
    category: str
    types: tuple[str, ...]
    sigma: tuple[str, ...] = ()
    fields: Mapping[str, str] = {}
    split: str = ""
    variants: Mapping[str, tuple[tuple[str, ...], tuple[str, ...]]] = {}


# ---------------------------------------------------------------- Sysmon (Windows and Linux)
PROCESS = {"Image": "process.executable", "ProcessId": "process.pid", "ProcessGuid": "process.entity_id"}
PARENT = {
    "ParentImage": "process.parent.executable", "ParentCommandLine": "process.parent.command_line",
    "ParentProcessId": "process.parent.pid", "ParentProcessGuid": "process.parent.entity_id",
}
PE = {
    "OriginalFileName": "process.pe.original_file_name", "Description": "process.pe.description",
    "Product": "process.pe.product", "Company": "process.pe.company", "FileVersion": "process.pe.file_version",
}
DLL_PE = {name: column.replace("process.", "dll.") for name, column in PE.items()}
SIGNED = {
    "Signed": "dll.code_signature.exists", "SignatureStatus": "dll.code_signature.status",
    "Signature": "dll.code_signature.subject_name", "ImageLoaded": "dll.path",
}
CREATED = PROCESS | PARENT | PE | {"CommandLine": "process.command_line",
    "CurrentDirectory": "process.working_directory"}
FILE = PROCESS | {"TargetFilename": "file.path", "CommandLine": "process.command_line"}
REGISTRY = PROCESS | {"TargetObject": "registry.path"}
OTHER = {"SourceImage": "process.executable", "SourceProcessId": "process.pid",
    "SourceProcessGuid": "process.entity_id",
         "SourceProcessGUID": "process.entity_id", "SourceThreadId": "process.thread.id"}
SOCKET = PROCESS | {
    "Protocol": "network.transport", "SourceIp": "source.address", "SourcePort": "source.port",
    "SourceHostname": "source.domain",
    "DestinationIp": "destination.address", "DestinationPort": "destination.port",
    "DestinationHostname": "destination.domain",
}
REG = "registry_event"
KEYS = {
    "CreateKey": (("creation",), ("registry_add", REG)),
    "DeleteKey": (("deletion",), ("registry_delete", REG)), "DeleteValue": (("deletion",), ("registry_delete", REG)),
    "": (("change",), (REG,)),
}
SYSMON: dict[str, Kind] = {
    "1": Kind("process-created", "process", ("start",), ("process_creation",), CREATED),
    "2": Kind("file-time-changed", "file", ("change",), ("file_change",), FILE),
    "3": Kind("network-connection", "network", ("start", "connection", "protocol"), ("network_connection",), SOCKET),
    "4": Kind("sysmon-state-changed", "process", ("change",), ("sysmon_status",)),
    "5": Kind("process-terminated", "process", ("end",), ("process_termination",), PROCESS),
    "6": Kind("driver-loaded", "driver", ("start",), ("driver_load",), SIGNED),
    "7": Kind("image-loaded", "library", ("start",), ("image_load",), PROCESS | SIGNED | DLL_PE),
    "8": Kind("remote-thread-created", "process", ("change",), ("create_remote_thread",), OTHER),
    "9": Kind("raw-disk-read", "file", ("access",), ("raw_access_thread",), PROCESS),
    "10": Kind("process-accessed", "process", ("access",), ("process_access",), OTHER),
    "11": Kind("file-created", "file", ("creation",), ("file_event",), FILE),
    "12": Kind("registry-key-changed", "registry", ("change",), (REG,), REGISTRY, "EventType", KEYS),
    "13": Kind("registry-value-set", "registry", ("change",), ("registry_set", REG), REGISTRY),
    "14": Kind("registry-renamed", "registry", ("change",), ("registry_rename", REG), REGISTRY),
    "15": Kind("file-stream-created", "file", ("access",), ("create_stream_hash",), FILE),
    "16": Kind("sysmon-configuration-changed", "configuration", ("change",), ("sysmon_status",)),
    "17": Kind("pipe-created", "file", ("creation",), ("pipe_created",), PROCESS | {"PipeName": "file.name"}),
    "18": Kind("pipe-connected", "file", ("access",), ("pipe_created",), PROCESS | {"PipeName": "file.name"}),
    "19": Kind("wmi-filter", "configuration", ("change",), ("wmi_event",)),
    "20": Kind("wmi-consumer", "configuration", ("change",), ("wmi_event",)),
    "21": Kind("wmi-binding", "configuration", ("change",), ("wmi_event",)),
    "22": Kind("dns-query", "network", ("connection", "protocol", "info"), ("dns_query",),
        PROCESS | {"QueryName": "dns.question.name"}),
    "23": Kind("file-deleted", "file", ("deletion",), ("file_delete",), FILE),
    "24": Kind("clipboard-changed", "process", ("change",), ("clipboard_capture",), PROCESS),
    "25": Kind("process-tampered", "process", ("change",), ("process_tampering",), PROCESS),
    "26": Kind("file-deletion-seen", "file", ("deletion",), ("file_delete",), FILE),
    "27": Kind("executable-blocked", "file", ("creation", "denied"), ("file_block_executable",), FILE),
    "28": Kind("shredding-blocked", "file", ("deletion", "denied"), ("file_block_shredding",), FILE),
    "29": Kind("executable-detected", "file", ("creation",), ("file_executable_detected",), FILE),
    "255": Kind("sysmon-error", "process", ("error",), ("sysmon_error",)),
}
HASHED = {"6": "dll", "7": "dll", "15": "file", "23": "process", "24": "process", "26": "process", "27": "file",
    "29": "file"}

# ---------------------------------------------------------------- Security
SUBJECT = {"SubjectUserName": "user.name", "SubjectDomainName": "user.domain", "SubjectUserSid": "user.id"}
TARGET = {"TargetUserName": "user.name", "TargetDomainName": "user.domain", "TargetUserSid": "user.id"}
CALLER = {"ProcessName": "process.executable", "ProcessId": "process.pid"}
FROM = {"IpAddress": "source.address", "IpPort": "source.port", "WorkstationName": "source.domain"}
ACCOUNT = SUBJECT | {"TargetUserName": "user.target.name", "TargetDomainName": "user.target.domain",
    "TargetSid": "user.target.id"}
MEMBER = SUBJECT | {"TargetUserName": "group.name", "TargetDomainName": "group.domain", "TargetSid": "group.id",
    "MemberSid": "user.target.id"}
OBJECT = SUBJECT | CALLER
LOGON = TARGET | CALLER | FROM
FILTERED = {
    "Application": "process.executable", "ProcessId": "process.pid", "ProcessID": "process.pid",
    "SourceAddress": "source.address",
    "SourcePort": "source.port", "DestAddress": "destination.address", "DestPort": "destination.port",
    "Protocol": "network.iana_number",
}
SPAWNED = SUBJECT | {
    "NewProcessName": "process.executable", "NewProcessId": "process.pid", "CommandLine": "process.command_line",
    "ParentProcessName": "process.parent.executable", "ProcessId": "process.parent.pid",
}
VALUES = {
    "%%1904": (("creation",), ("registry_set", REG)), "%%1905": (("change",), ("registry_set", REG)),
    "%%1906": (("deletion",), ("registry_delete", REG)), "": (("change",), (REG,)),
}
TOUCHED = {"File": (("access",), ("file_access",)), "": (("access",), ())}


def _accounts(category: str, types: tuple[str, ...], fields: Mapping[str, str], names: Mapping[str, str]) -> dict[str,
    Kind]:
    return {code: Kind(action, category, types, (), fields) for code, action in names.items()}


SECURITY: dict[str, Kind] = {
    "4688": Kind("created-process", "process", ("start",), ("process_creation",), SPAWNED),
    "4689": Kind("exited-process", "process", ("end",), ("process_termination",), OBJECT),
    "4657": Kind("registry-value-modified", "registry", ("change",), (REG,), OBJECT, "OperationType", VALUES),
    "4656": Kind("object-handle-requested", "file", ("access",), (), OBJECT),
    "4663": Kind("object-accessed", "file", ("access",), (), OBJECT, "ObjectType", TOUCHED),
    "4660": Kind("object-deleted", "file", ("deletion",), (), OBJECT),
    "5140": Kind("network-share-accessed", "network", ("access",), (),
        SUBJECT | FROM | {"ShareName": "file.directory"}),
    "5145": Kind("network-share-object-checked", "network", ("access",), (),
        SUBJECT | FROM | {"RelativeTargetName": "file.name"}),
    "5156": Kind("windows-firewall-connection", "network", ("start", "connection", "allowed"), ("network_connection",),
        FILTERED),
    "5157": Kind("windows-firewall-connection-blocked", "network", ("connection", "denied"), (), FILTERED),
    "5158": Kind("windows-firewall-bind", "network", ("start", "allowed"), (), FILTERED),
    "4624": Kind("logged-in", "authentication", ("start",), (), LOGON),
    "4625": Kind("logon-failed", "authentication", ("start",), (), LOGON),
    "4634": Kind("logged-out", "authentication", ("end",), (), TARGET),
    "4647": Kind("logged-out", "authentication", ("end",), (), TARGET),
    "4648": Kind("logged-in-explicit", "authentication", ("start",), (), SUBJECT | CALLER | FROM | {
        "TargetUserName": "user.effective.name", "TargetDomainName": "user.effective.domain"}),
    "4672": Kind("logged-in-special", "iam", ("admin",), (), SUBJECT),
    "4768": Kind("kerberos-authentication-ticket-requested", "authentication", ("start",), (), TARGET | FROM),
    "4769": Kind("kerberos-service-ticket-requested", "authentication", ("start",), (), TARGET | FROM),
    "4771": Kind("kerberos-preauth-failed", "authentication", ("start",), (), TARGET | FROM),
    "4776": Kind("credential-validated", "authentication", ("start",), (), TARGET | {"Workstation": "source.domain"}),
    "4697": Kind("service-installed", "configuration", ("creation",), (), SUBJECT | {"ServiceName": "service.name"}),
    "4698": Kind("scheduled-task-created", "configuration", ("creation",), (), SUBJECT),
    "4699": Kind("scheduled-task-deleted", "configuration", ("deletion",), (), SUBJECT),
    "4702": Kind("scheduled-task-updated", "configuration", ("change",), (), SUBJECT),
    "1102": Kind("audit-log-cleared", "iam", ("admin", "change"), (), SUBJECT),
    "4719": Kind("changed-audit-config", "configuration", ("change",), (), SUBJECT),
} | _accounts("iam", ("user", "creation"), ACCOUNT, {"4720": "added-user-account"}) | _accounts(
    "iam", ("user", "change"), ACCOUNT,
    {"4722": "enabled-user-account", "4723": "changed-password", "4724": "reset-password",
        "4725": "disabled-user-account",
     "4738": "modified-user-account", "4740": "locked-out-user-account", "4767": "unlocked-user-account",
     "4781": "renamed-user-account"},
) | _accounts("iam", ("user", "deletion"), ACCOUNT, {"4726": "deleted-user-account"}) | _accounts(
    "iam", ("group", "change"), MEMBER,
    {"4728": "added-member-to-group", "4729": "removed-member-from-group", "4732": "added-member-to-group",
     "4733": "removed-member-from-group", "4756": "added-member-to-group", "4757": "removed-member-from-group"},
) | _accounts("iam", ("group", "creation"), MEMBER, {"4727": "added-group-account", "4731": "added-group-account",
    "4754": "added-group-account"}) | _accounts(
    "iam", ("group", "deletion"), MEMBER, {"4730": "deleted-group-account", "4734": "deleted-group-account",
        "4758": "deleted-group-account"})

# ---------------------------------------------------------------- PowerShell and System
SCRIPT = {
    "ScriptBlockText": "powershell.file.script_block_text", "ScriptBlockId": "powershell.file.script_block_id",
    "MessageNumber": "powershell.sequence", "MessageTotal": "powershell.total", "Path": "file.path",
}
POWERSHELL: dict[str, Kind] = {
    "4103": Kind("module-logged", "process", ("info",), ("ps_module",)),
    "4104": Kind("script-block-logged", "process", ("info",), ("ps_script",), SCRIPT),
}
POWERSHELL_CLASSIC: dict[str, Kind] = {
    "400": Kind("engine-started", "process", ("start",), ("ps_classic_start",)),
    "403": Kind("engine-stopped", "process", ("end",)),
    "600": Kind("provider-started", "process", ("info",), ("ps_classic_provider_start",)),
    "800": Kind("pipeline-executed", "process", ("info",), ("ps_classic_script",)),
}
FOUND = {"ThreatName": "rule.name", "Path": "file.path"}
DEFENDER: dict[str, Kind] = {
    code: Kind(action, "malware", ("info",), ("antivirus",), FOUND) for code, action in (
        ("1006", "malware-found"), ("1007", "malware-acted-on"), ("1008", "malware-action-failed"),
        ("1009", "quarantine-restored"), ("1015", "suspicious-behaviour"), ("1116", "malware-found"),
        ("1117", "malware-acted-on"), ("1118", "malware-action-failed"), ("1119", "malware-action-failed"))
}
# The kernel's file provider (ETW), as agents hand it on: https://github.com/repnz/etw-providers-docs
TRACED = {"FileName": "file.path", "FilePath": "file.path", "TargetFilename": "file.path",
    "Image": "process.executable", "ProcessId": "process.pid", "CommandLine": "process.command_line"}
KERNEL_FILE: dict[str, Kind] = {
    "12": Kind("file-opened", "file", ("access",), ("file_access",), TRACED),
    "26": Kind("file-deleted", "file", ("deletion",), ("file_delete",), TRACED),
    "27": Kind("file-renamed", "file", ("change",), ("file_rename",), TRACED),
    "30": Kind("file-created", "file", ("creation",), ("file_event",), TRACED),
}
RPCFW: dict[str, Kind] = {"3": Kind("rpc-called", "network", ("access",), ())}
SYSTEM: dict[str, Kind] = {
    "7045": Kind("service-installed", "configuration", ("creation",), (), {"ServiceName": "service.name"}),
    "104": Kind("log-cleared", "iam", ("admin", "change"), (), SUBJECT),
}

# ---------------------------------------------------------------- channels
MW = "Microsoft-Windows-"
SERVICES: dict[str, tuple[str, ...]] = {
    "kernel-file": (MW + "Kernel-File/Analytic",), "rpcfw": ("RPCFW",),
    "security": ("Security",), "application": ("Application",), "system": ("System",),
    "sysmon": (MW + "Sysmon/Operational",),
    "powershell": (MW + "PowerShell/Operational", "PowerShellCore/Operational"),
    "powershell-classic": ("Windows PowerShell",),
    "taskscheduler": (MW + "TaskScheduler/Operational",), "wmi": (MW + "WMI-Activity/Operational",),
    "dns-server": ("DNS Server",),
    "dns-server-audit": (MW + "DNS-Server/Audit",), "dns-server-analytic": (MW + "DNS-Server/Analytical",),
    "driver-framework": (MW + "DriverFrameworks-UserMode/Operational",), "ntlm": (MW + "NTLM/Operational",),
    "dhcp": (MW + "DHCP-Server/Operational",), "msexchange-management": ("MSExchange Management",),
    "applocker": (MW + "AppLocker/MSI and Script", MW + "AppLocker/EXE and DLL",
        MW + "AppLocker/Packaged app-Deployment",
                  MW + "AppLocker/Packaged app-Execution"),
    "printservice-admin": (MW + "PrintService/Admin",), "printservice-operational": (MW + "PrintService/Operational",),
    "codeintegrity-operational": (MW + "CodeIntegrity/Operational",),
    "smbclient-security": (MW + "SmbClient/Security",),
    "smbclient-connectivity": (MW + "SmbClient/Connectivity",),
    "smbserver-connectivity": (MW + "SMBServer/Connectivity",),
    "firewall-as": (MW + "Windows Firewall With Advanced Security/Firewall",),
    "bits-client": (MW + "Bits-Client/Operational",),
    "windefend": (MW + "Windows Defender/Operational",),
    "iis-configuration": ("Microsoft-IIS-Configuration/Operational",),
    "terminalservices-localsessionmanager": (MW + "TerminalServices-LocalSessionManager/Operational",),
    "microsoft-servicebus-client": ("Microsoft-ServiceBus-Client", "Microsoft-ServiceBus-Client/Operational"),
    "ldap": (MW + "LDAP-Client/Debug",), "security-mitigations": (MW + "Security-Mitigations/Kernel Mode",
        MW + "Security-Mitigations/User Mode"),
    "diagnosis-scripted": (MW + "Diagnosis-Scripted/Operational",), "shell-core": (MW + "Shell-Core/Operational",),
    "openssh": ("OpenSSH/Operational",), "bitlocker": (MW + "BitLocker/BitLocker Management",),
    "vhdmp": (MW + "VHDMP/Operational",),
    "appxdeployment-server": (MW + "AppXDeploymentServer/Operational",), "lsa-server": (MW + "LSA/Operational",),
    "appxpackaging-om": (MW + "AppxPackaging/Operational",),
    "dns-client": (MW + "DNS Client Events/Operational", MW + "DNS-Client/Operational"),
    "appmodel-runtime": (MW + "AppModel-Runtime/Admin",), "capi2": (MW + "CAPI2/Operational",),
    "certificateservicesclient-lifecycle-system": (MW + "CertificateServicesClient-Lifecycle-System/Operational",),
}
SERVICE = {channel.lower(): service for service, channels in SERVICES.items() for channel in channels}
TABLES = {
    "sysmon": SYSMON, "security": SECURITY, "powershell": POWERSHELL, "powershell-classic": POWERSHELL_CLASSIC,
    "system": SYSTEM, "windefend": DEFENDER, "kernel-file": KERNEL_FILE, "rpcfw": RPCFW,
}
DATASETS = {
    "sysmon": "windows.sysmon", "security": "windows.security", "system": "windows.system",
    "application": "windows.application",
    "powershell": "windows.powershell", "powershell-classic": "windows.powershell",
}
LEVELS = {"0": "information", "1": "critical", "2": "error", "3": "warning", "4": "information", "5": "verbose"}
WORDS = {word: number for number, word in reversed(LEVELS.items()) if number != "0"}
WORDS |= {"informational": "4", "info": "4"}


def level(text: str) -> str:
    """The number of a level, whether a number or a word says it."""
    return WORDS.get(text.lower(), text)
