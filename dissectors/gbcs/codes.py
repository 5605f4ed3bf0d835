"""The code space of GBCS messages, one table each: message codes with their use cases, alerts, roles and devices.

Titles are those of the GBCS use cases and of the alert table, shortened where a parenthesis repeats itself.
"""

from enum import IntEnum, StrEnum
from typing import Final

import msgspec


class CraFlag(IntEnum):
    """What kind of message it is."""

    COMMAND = 1
    RESPONSE = 2
    ALERT = 3


class Category(StrEnum):
    """Message categories; they decide which of signature and MAC a message has."""

    CRITICAL = "C.C"
    NON_CRITICAL = "C.NC"
    CRITICAL_ALERT = "A.C"
    NON_CRITICAL_ALERT = "A.NC"
    HAN_ONLY = "HAN"
    """Between PPMID and GSME."""
    ZIGBEE_ONLY = "ZSE"
    """Carried out by plain ZigBee commands: no GBCS message has this code."""


class Role(StrEnum):
    """Who may send a command; the letters of the table below."""

    SUPPLIER = "S"
    NETWORK_OPERATOR = "N"
    ACCESS_CONTROL_BROKER = "A"
    LOAD_CONTROLLER = "L"


class RemotePartyRole(IntEnum):
    """Roles as certificates and ASN.1 payloads number them (8 as the reference messages use it)."""

    ROOT = 0
    RECOVERY = 1
    SUPPLIER = 2
    NETWORK_OPERATOR = 3
    ACCESS_CONTROL_BROKER = 4
    TRANSITIONAL_COS = 5
    WAN_PROVIDER = 6
    ISSUING_AUTHORITY = 7
    LOAD_CONTROLLER = 8
    OTHER = 127


class DeviceType(IntEnum):
    """Devices as ASN.1 payloads number them."""

    GSME = 0
    ESME = 1
    CHF = 2
    GPF = 3
    HCALCS = 4
    PPMID = 5
    TYPE_2 = 6
    """In-home display or consumer access device."""


class UseCase(msgspec.Struct, frozen=True, kw_only=True):
    """What a message code stands for."""

    message_code: int
    name: str
    """"CS06"; empty for codes that have a title only."""
    title: str
    category: Category | None
    """`None`: the use case documents at hand do not say."""
    future_datable: bool
    replay_protected: bool
    targets: tuple[str, ...]
    """Devices that it is sent to, or that send the alert; empty: any, or not known."""
    roles: tuple[Role, ...]
    """Who may send the command; empty: not known."""

    def __str__(self) -> str:
        return f"{self.name} {self.title}".strip()


# Message code, category, F future datable and R protected against replay, target devices, roles, use case, title.
_USE_CASES: Final = """\
0001 C.NC R  CHF       A    CCS01       Add Device to CHF device log
0002 C.NC R  CHF       A    CCS02       Remove device from CHF device log
0003 C.NC R  CHF       A    CCS03       Restore CHF Device Log
0004 -    -  -         -    CCS05/CCS04 Read CHF device log / Check HAN communications (by reading the CHF Communications Store)
0007 C.NC R  ESME      -    CS01a       Apply Prepayment Top Up to an ESME
0008 -    -  -         -    CS02a       Provide Security Credentials Details
000A C.C  -  -         -    CS02c       Issue Security Credentials
000B C.C  -  -         -    CS02d       Update Device Certificates on Device
000C -    -  -         -    CS02e       Provide Device Certificates from Device
000D C.C  -  -         -    CS03A1      Method A Join (Meter)
000E C.NC -  -         -    CS03B       Method B Join
000F C.C  -  -         -    CS04AC      Method A or C Unjoin
0010 C.NC -  -         -    CS04B       Method B Unjoin
0012 C.C  -  -         -    CS06        Activate Firmware
0013 C.NC -  -         -    CS07        Read Device Join Details
0014 C.NC -  -         SNA  CS10a       Read ZigBee Device Event Log
0015 C.NC -  GPF/GSME  S    CS11        Clear ZigBee Device Event Log
0018 A.NC -  -         -    CS14        Device Addition To / Removal From HAN Whitelist Alerts
0019 C.C  FR ESME      S    ECS01a      Set Tariff and Price on ESME
001A C.C  FR ESME      S    ECS02       Set ESME Payment Mode to Credit
001B C.C  FR ESME      S    ECS03       Set ESME Payment Mode to Prepayment
001C C.C  R  ESME      S    ECS04a      Adjust Meter Balance on the ESME
001D C.C  R  ESME      S    ECS05       Reset Tariff Block Counter Matrix
001E C.C  R  ESME      S    ECS07       Manage Debt on the ESME
001F -    -  -         -    ECS08       Update Prepayment Configuration on ESME
0020 C.C  R  ESME      S    ECS09       Activate Emergency Credit Remotely on ESME
0021 C.NC -  ESME      S    ECS10       Send Message to ESME
0022 C.NC -  ESME      S    ECS12       Set Change of Tenancy date on ESME
0023 C.NC R  ESME      S    ECS14       Disable Privacy PIN Protection on ESME
0024 C.NC -  ESME      S    ECS15a      Clear ESME Event Log
0025 C.NC -  ESME      S    ECS16       Write Supplier Contact Details on ESME
0026 C.NC -  ESME      NA   ECS17a      Read ESME Energy Registers (Export Energy)
0027 C.NC -  ESME      SN   ECS17b      Read ESME Energy Registers (Import Energy)
0028 C.NC -  ESME      SNA  ECS17c      Read ESME Energy Registers (Power)
0029 C.NC -  ESME      SN   ECS17d      Read ESME Energy Register (TOU)
002A C.NC -  ESME      SN   ECS17e      Read ESME Energy Register (TOU with Blocks)
002B C.NC -  ESME      NA   ECS18a      Read Maximum Demand Registers (export)
002C C.NC -  ESME      SNA  ECS18b      Read Maximum Demand Registers (import)
002D C.NC -  ESME      S    ECS19       Read ESME Prepayment Registers
002E C.NC -  ESME      SA   ECS20a      Read ESME Billing Data Log (payment based debt payments)
002F C.NC -  ESME      SA   ECS20b      Read ESME Billing Data Log (change of mode / tariff triggered exc export)
0030 C.NC -  ESME      SA   ECS20c      Read ESME Billing Data Log (billing calendar triggered exc export)
0033 C.NC -  ESME      SA   ECS21a      Read Electricity Daily Read Log (exc export)
0034 C.NC -  ESME      SA   ECS21b      Read Electricity (Prepayment) Daily Read Log
0035 C.NC -  ESME      A    ECS21c      Read Electricity Daily Read Log (export only)
0036 C.NC -  ESME      NA   ECS22a      Read Electricity Half Hour Profile Data (export)
0037 C.NC -  ESME      SNA  ECS22b      Read Electricity Half Hour Profile Data (active import)
0038 C.NC -  ESME      SNA  ECS22c      Read Electricity Half Hour Profile Data (reactive import)
0039 C.NC -  ESME      SNA  ECS23       Read Voltage Operational Data
003A C.NC -  ESME      SA   ECS24       Read ESME Tariff Data
003B C.NC -  ESME      S    ECS26a      Read ESME Configuration Data Prepayment
003C C.NC -  ESME      SNA  ECS26b      Read ESME Configuration Voltage Data
003D C.NC -  ESME      SNA  ECS26c      Read ESME Configuration Data Device Information (randomisation)
003E -    -  -         -    ECS26d      Read ESME Configuration Data Device Information (Billing Calendar)
003F -    -  -         -    ECS26e      Read ESME Configuration Data Device Information (device identity exc MPAN)
0040 C.NC -  ESME      SA   ECS26f      Read ESME Configuration Data Device Information (instantaneous power thresholds)
0042 C.NC -  ESME      SNA  ECS27       Read ESME Load Limit Data
0043 C.C  FR ESME      S    ECS28a      Set Load Limit Configurations - General Settings
0044 C.NC R  ESME      S    ECS28b      Set Load Limit Configuration Counter Reset
0045 C.NC R  ESME      N    ECS29a      Set Voltage Configurations on ESME
0046 -    -  -         -    ECS30       Set Billing Calendar on the ESME
0047 C.NC -  ESME      S    ECS34       Set Instantaneous Power Threshold Configuration
0048 C.NC -  ESME      SNA  ECS35a      Read ESME Event Log
0049 C.NC -  ESME      SNA  ECS35b      Read ESME Security Log
004A C.NC R  ESME      N    ECS37       Set Maximum Demand Configurable Time Period
004B C.C  R  ESME      S    ECS38       Update Randomised Offset Limit
004C C.NC R  ESME      S    ECS39a      Set MPAN Value on the ESME
004D C.NC R  ESME      A    ECS39b      Set Export MPAN Value on the ESME
004E C.NC -  ESME      SNA  ECS40       Read MPAN Value on the ESME
004F C.C  R  ESME      S    ECS42       Remotely Close the Load Switch on the ESME
0050 C.C  R  ESME      S    ECS43       Remotely Open the Load Switch on the ESME
0051 C.C  R  ESME      S    ECS44       Arm Load Switch in ESME
0052 C.NC -  ESME      SNA  ECS45       Read Status of Load Switch in the ESME
0053 C.C  -  ESME      S    ECS46a      Set HC ALCS or ALCS Labels in ESME
0054 -    -  -         -    ECS46c      Set HC ALCS and ALCS configuration in ESME (excluding labels)
0055 -    -  -         -    ECS47       Set or Reset HC ALCS or ALCS State
0058 C.NC R  ESME      A    ECS50       Send CIN to ESME
0059 C.NC -  CHF/ESME  SNA  ECS52       Read ESME/Comms Hub Firmware Version
005A C.NC -  ESME      N    ECS57       Reset ESME Maximum Demand Registers
005E C.NC -  ESME      SA   ECS61c      Read Boost Button Data from ESME
005F C.NC R  ESME      S    ECS62       Set ALCS and Boost Button Association
0060 C.NC -  ESME      SNA  ECS66       Read ESME Daily Consumption Log
0061 A.C  -  -         -    ECS68       ESME Critical Sensitive Alert (Billing Data Log)
0062 C.C  R  ESME      S    ECS70       Set Clock on ESME
0067 A.C  -  ESME      -    ECS80       Supply Outage Restore Alert from ESME
0068 C.C  R  ESME      S    ECS81       Set Supply Tamper State on ESME
0069 C.NC -  ESME      S    ECS82       Read Meter Balance for ESME
006B C.C  FR GSME      S    GCS01a      Set Tariff and Price on GSME
006C C.C  FR GSME      S    GCS02       Set GSME Payment Mode to Credit
006D C.C  FR GSME      S    GCS03       Set GSME Payment Mode to Prepayment
006E C.C  R  GSME      S    GCS04       Manage Debt on the GSME
006F C.C  FR GSME      S    GCS05       Update Prepayment Configurations on GSME
0070 C.C  R  GSME      S    GCS06       Activate Emergency Credit Remotely on GSME
0071 C.NC -  GSME      S    GCS07       Send Message to GSME
0072 C.NC -  GPF       S    GCS09       Set Change of Tenancy date on GPF
0073 C.NC R  GSME      S    GCS11       Disable Privacy PIN Protection on GSME
0074 C.NC -  GPF/GSME  SN   GCS13a      Read GSME Consumption Register
0075 C.NC -  GPF/GSME  S    GCS14       Read GSME Prepayment Registers
0076 C.NC -  GPF/GSME  SA   GCS15c      Read GSME Billing Data Log (billing calendar triggered)
0077 C.NC -  GPF/GSME  SA   GCS16a      Read GSME Daily Read Log
0078 C.NC -  GPF/GSME  SNA  GCS17       Read GSME Profile Data Log
0079 C.NC -  GSME      SA   GCS18       Read Gas Network Data Log
007B C.NC -  GSME      SNA  GCS21a      Read Gas Configuration Data Device Information
007C C.C  R  GSME      S    GCS23       Set CV and Conversion Factor Value(s) on the GSME
007D -    -  -         -    GCS24       Set Uncontrolled Gas Flow Rate and Supply Tamper State on the GSME
007E C.C  R  GSME      S    GCS25       Set Billing Calendar on the GSME
007F C.C  -  -         -    GCS28       Set Clock on GSME
0080 C.NC R  GSME      A    GCS31       Start Network Data Log on GSME
0081 C.C  R  GSME      S    GCS32       Remotely close the valve in the GSME
0082 C.NC -  GPF/GSME  SNA  GCS33       Read GSME Valve Status
0083 C.NC R  GSME      A    GCS36       Send CIN to GSME
0084 C.NC -  GPF/GSME  SNA  GCS38       Read GSME Firmware Version
0085 C.C  R  GSME      S    GCS39       Arm Valve in GSME
0086 C.C  R  GSME      S    GCS40a      Adjust Prepayment Mode Meter Balance on the GSME
0087 C.NC R  GSME      S    GCS41       Set MPRN Value on the GSME
0088 C.NC -  GSME      S    GCS44       Write Contact Details on GSME
0089 C.NC -  GPF/GSME  SNA  GCS46       Read MPRN on the GSME
008B A.C  -  -         -    GCS53       Push Billing Data Log as an Alert
008C C.NC -  -         -    GCS59       Restore GPF Device Log
008D C.NC -  GPF/GSME  S    GCS60       Read Meter Balance for GSME
0090 HAN  -  GSME      -    PCS02       Activate Emergency Credit on GSME from PPMID
0092 -    -  -         -    ECS26i      Read Configuration Data Device Information (CHF identity)
0093 C.NC -  CHF       A    ECS35c      Read CHF Event Log
0094 C.NC -  CHF       A    ECS35d      Read CHF Security Log
0096 C.NC -  GPF/GSME  SA   GCS16b      Read GSME Daily Read log(s) (prepayment)
0097 C.NC R  GSME      -    CS01b       Apply Prepayment Top Up to a GSME
009B HAN  -  GSME      -    PCS01       Apply Prepayment Top Up to a GSME using PPMID
009D -    -  -         -    GCS21d      Read GSME Configuration Data Device Information (Billing Calendar)
009E -    -  -         -    GCS21e      Read GSME/GPF Configuration Data Device Information (device identity)
009F C.NC -  GPF/GSME  SA   GCS21f      Read GSME Tariff Data
00A0 C.NC -  GPF       SNA  GCS61       Read Gas Daily Consumption Log
00A1 C.NC -  -         SNA  CS10b       Read ZigBee Device Security Log
00A2 C.C  FR ESME      S    ECS01b      Set Price on ESME
00A3 C.C  FR GSME      S    GCS01b      Set Price on GSME
00AB C.C  -  -         -    CS03A2      Method A Join (non Meter)
00AC C.NC -  ESME      S    ECS25a      Set Alert Behaviours - ESME - Supplier
00AD C.NC -  GSME      S    GCS20       Set Alert Behaviours - GSME
00AE C.NC R  ESME      N    ECS29b      Set Voltage Configurations on ESME - 3ph
00AF C.C  -  -         -    CS03C       Method C Join
00B0 C.NC -  ESME      N    ECS25b      Set Alert Behaviours - ESME - Network Operator
00B2 A.NC -  -         -    GCS62       Backup GPF Device Log
00B3 C.C  R  ESME      S    ECS04b      Reset Meter Balance on the ESME
00B4 C.C  R  GSME      S    GCS40b      Reset Prepayment Mode Meter Balance on the GSME
00B5 C.NC -  GPF/GSME  S    GCS21b      Read GSME Configuration Data Prepayment
00B6 C.NC -  GPF/GSME  SN   GCS13c      Read GSME Register (TOU)
00B7 C.C  FR ESME      S    ECS01c      Set Tariff and Price on ESME secondary
00B8 C.NC -  GPF/GSME  S    GCS13b      Read GSME Block Counters
00B9 C.NC -  ESME      SNA  ECS35e      Read ESME Power Event Log
00BA -    -  -         -    ECS35f      Read ALCS Event Log
00BB -    -  -         -    ECS61a      Read HC ALCS and ALCS Data from ESME
00BC C.NC -  ESME      SNA  ECS23b      Read Voltage Operational Data - 3 Phase
00BD C.NC -  ESME      SA   ECS24b      Read ESME Tariff Data - second element
00BE C.NC -  ESME      SA   ECS26j      Read ESME Configuration Data Device Information (Payment Mode)
00BF C.NC -  GPF/GSME  SA   GCS21j      Read GSME Configuration Data Device Information (Payment Mode)
00C0 C.C  R  GSME      S    GCS40c      Adjust Credit Mode Meter Balance on the GSME
00C1 C.NC -  ESME      S    ECS15c      Clear ALCS Event Log
00C2 C.C  R  GSME      S    GCS40d      Reset Credit Mode Meter Balance on the GSME
00C3 C.NC -  GPF/GSME  SA   GCS15b      Read GSME Billing Data Log (change of mode / tariff triggered)
00C4 C.NC -  GPF/GSME  SA   GCS15d      Read GSME Billing Data Log (payment-based debt payments)
00C5 C.NC -  GPF/GSME  SA   GCS15e      Read GSME Billing Data Log (prepayment credits)
00C6 C.NC -  ESME      SNA  ECS26k      Read ESME Configuration Voltage Data - 3 phase
00C7 C.C  FR ESME      S    ECS01d      Set Price on ESME secondary
00C9 C.NC -  ESME      SA   ECS20d      Read ESME Billing Data Log (prepayment credits)
00CA -    -  -         -    -           Future Dated Firmware Activation Alert
00CB -    -  -         -    -           Future Dated Update Security Credentials Alert
00CC -    -  -         -    -           Future Dated Execution Of Instruction Alert (DLMS COSEM)
00CD -    -  -         -    -           Future Dated Execution Of Instruction Alert (GBZ)
00CE -    -  -         -    -           Firmware Distribution Receipt Alert (ESME)
00CF -    -  -         -    -           Firmware Distribution Receipt Alert (GSME)
00D1 C.NC R  ESME      N    ECS29c      Set Voltage Configurations on ESME without counter reset
00D2 C.NC R  ESME      N    ECS29d      Set Voltage Configurations on polyphase ESME without counter reset
00D3 C.NC R  ESME      N    ECS29e      Reset RMS Voltage Counters on ESME
00D4 C.NC R  ESME      N    ECS29f      Reset RMS Voltage Counters on polyphase ESME
00D5 -    -  -         -    -           Failure to Deliver Remote Party Message to ESME Alert
00D7 C.C  R  ESME      S    ECS30a      Set Billing Calendar on the ESME - all periodicities
00D8 C.C  R  GSME      S    GCS25a      Set Billing Calendar on the GSME - all periodicities
00D9 C.NC -  ESME      SA   ECS26l      Read ESME Configuration Data Device Information (Billing Calendar - all periodicities)
00DA C.NC -  GPF/GSME  SA   GCS21k      Read GSME Configuration Data Device Information (Billing Calendar - all periodicities)
00DB C.C  R  ESME      S    ECS48       Configure daily resetting of Tariff Block Counter Matrix
00DE C.C  FR ESME      S    ECS08a      Update Prepayment Configuration on ESME
00EA C.NC -  ESME      S    ECS25a1     Set Event Behaviours - ESME to HAN Device - Supplier
00EB C.NC -  ESME      S    ECS25a2     Set Event Behaviours - ESME audible alarm - Supplier
00EC C.NC -  ESME      S    ECS25a3     Set Event Behaviours - ESME logging - Supplier
00ED C.NC -  ESME      N    ECS25b3     Set Event Behaviours - ESME logging - Network Operator
00EE C.NC -  ESME      S    ECS25r1     Read non-critical event and alert behaviours - ESME - Supplier
00EF C.NC -  ESME      N    ECS25r2     Read non-critical event and alert behaviours - ESME - Network Operator
00F0 -    -  -         -    -           Meter Integrity Issue Warning Alert - ESME
00F1 C.NC -  GSME      S    GCS20r      Read non-critical event and alert behaviours - GSME - Supplier
00F2 -    -  -         -    -           Meter Integrity Issue Warning Alert - GSME
00F9 C.NC -  ESME      SNA  ECS26m      Read ESME Configuration Data Device Information (identity, type and supply tamper state)
00FA C.NC -  CHF       A    ECS26n      Read CHF Configuration Data Device Information (CH identity and type)
00FB C.NC -  GSME      SNA  GCS21m      Read GSME Configuration Data Device Information (identity, type and supply tamper / depletion state)
00FC C.C  R  GSME      S    GCS24a      Set Uncontrolled Gas Flow Rate and Supply Tamper State on the GSME (SMETS4)
00FD C.NC -  ESME      SNL  ECS35g      Read ALCS Event Log
00FE C.NC -  CHF       A    CCS07       Read CHF Device Logs
0100 -    -  -         -    CS02b       Update Security Credentials (rootBySupplier)
0101 -    -  -         -    CS02b       Update Security Credentials (rootByWanProvider)
0102 -    -  -         -    CS02b       Update Security Credentials (supplierBySupplier)
0103 -    -  -         -    CS02b       Update Security Credentials (networkOperatorByNetworkOperator)
0104 -    -  -         -    CS02b       Update Security Credentials (accessControlBrokerByACB)
0105 -    -  -         -    CS02b       Update Security Credentials (wanProviderByWanProvider)
0106 -    -  -         -    CS02b       Update Security Credentials (transCoSByTransCoS)
0107 -    -  -         -    CS02b       Update Security Credentials (supplierByTransCoS)
0108 -    -  -         -    CS02b       Update Security Credentials (anyExceptAbnormalRootByRecovery)
0109 -    -  -         -    CS02b       Update Security Credentials (anyByContingency)
010A C.NC -  CHF       A    DBCH01      Read CHF Sub GHz Channel
010B C.NC -  CHF       A    DBCH02      Read CHF Sub GHz Channel Log
010C C.NC -  CHF       A    DBCH03      Read CHF Sub GHz Configuration
010D C.NC R  CHF       A    DBCH04      Set CHF Sub GHz Configuration
010E C.NC R  CHF       A    DBCH05      Request CHF Sub GHz Channel Scan
010F C.NC -  CHF       A    CCS06       Read CHF device log and check HAN communications
0110 A.NC -  -         -    DBCH06      Limited Duty Cycle Action Taken Alert
0111 A.NC -  -         -    DBCH07      Sub GHz Channel Changed Alert
0112 A.NC -  -         -    DBCH08      Sub GHz Channel Scan Request Assessment Outcome Alert
0113 A.NC -  -         -    DBCH09      Sub GHz Configuration Changed Alert
0114 A.NC -  -         -    DBCH10      Message Discarded Due to Duty Cycle Management Alert
0115 A.NC -  -         -    DBCH11      No More Sub GHz Device Capacity Alert
0116 ZSE  -  -         -    PECS01      Apply Prepayment Top Up to an ESME using PPMID
0117 ZSE  -  -         -    PECS02      Activate Emergency Credit on ESME from PPMID
0118 ZSE  -  -         -    PECS03      Request to Enable ESME Supply from PPMID
0119 ZSE  -  -         -    HECS01      Request Control of a HAN Connected Auxiliary Load Control Switch from HCALCS
011A C.C  FR ESME      S    -           Set Auxiliary Controller Calendar
011B -    -  -         -    CS02f       Provide Security Credential Details
011C C.NC -  ESME      SNAL -           Read Auxiliary Controller Configuration Data
011D C.NC -  ESME      SNAL -           Read Auxiliary Controller Operational Data
011E C.C  R  ESME      S    -           Set Auxiliary Controller [n] State
011F C.C  R  ESME      L    -           Limit APC [n] Level
0120 -    -  -         -    ECS100      Command not supported by Device (alert)
0121 A.C  -  -         -    -           Limit APC [n] Level Command processed
0122 A.C  -  -         -    -           Limit APC [n] Level ended or cancelled
0123 A.C  -  -         -    ECS200      Operational Update (alert)
0124 -    -  -         -    CS02g       Future Dated Execution Alert
0125 -    -  -         -    CS02g       Update Load Controller Security Credentials by Load Controller
0126 -    -  -         -    CS02g       Update Load Controller Security Credentials by Supplier
0128 -    -  -         -    CCS08       Firmware Transfer Alert
0129 -    -  -         -    CS08        Read PPMID/HCALCS Firmware Version
012A -    -  -         -    GCS60a      Read Meter Balance for GSME
012B A.C  -  -         -    CS09        PPMID Firmware Activation Alert
1000 A.C  -  -         -    -           Generic Critical Alert
1001 A.NC -  -         -    -           Generic Non Critical Alert
"""  # noqa: E501 -- a title is as long as it is

_ALERTS: Final = """\
8002 Average RMS Voltage above Average RMS Over Voltage Threshold (rises above)
8003 Average RMS Voltage above Average RMS Over Voltage Threshold on Phase 1 (rises above)
8004 Average RMS Voltage above Average RMS Over Voltage Threshold on Phase 2 (rises above)
8005 Average RMS Voltage above Average RMS Over Voltage Threshold on Phase 3 (rises above)
8006 Average RMS Voltage below Average RMS Under Voltage Threshold (falls below)
8007 Average RMS Voltage below Average RMS Under Voltage Threshold on Phase 1 (falls below)
8008 Average RMS Voltage below Average RMS Under Voltage Threshold on Phase 2 (falls below)
8009 Average RMS Voltage below Average RMS Under Voltage Threshold on Phase 3 (falls below)
8010 Over Current
8011 Over Current L1
8013 Over Current L3
8014 Power Factor Threshold Below
8015 Power Factor Threshold Ok
8016 Over Current L2
8020 RMS Voltage above Extreme Over Voltage Threshold (rises above)
8021 RMS Voltage above Extreme Over Voltage Threshold on Phase 1 (rises above)
8022 RMS Voltage above Extreme Over Voltage Threshold on Phase 2 (rises above)
8023 RMS Voltage above Extreme Over Voltage Threshold on Phase 3 (rises above)
8024 RMS Voltage above Voltage Swell Threshold (rises above)
8025 RMS Voltage above Voltage Swell Threshold on Phase 1 (rises above)
8026 RMS Voltage above Voltage Swell Threshold on Phase 2 (rises above)
8027 RMS Voltage above Voltage Swell Threshold on Phase 3 (rises above)
8028 RMS Voltage below Extreme Under Voltage Threshold (falls below)
8029 RMS Voltage below Extreme Under Voltage Threshold on Phase 1 (falls below)
802A RMS Voltage below Extreme Under Voltage Threshold on Phase 2 (falls below)
802B RMS Voltage below Extreme Under Voltage Threshold on Phase 3 (falls below)
802C RMS Voltage below Voltage Sag Threshold (falls below)
802D RMS Voltage below Voltage Sag Threshold on Phase 1 (falls below)
802E RMS Voltage below Voltage Sag Threshold on Phase 2 (falls below)
802F RMS Voltage below Voltage Sag Threshold on Phase 3 (falls below)
8071 GPF Device Log Changed
8085 Average RMS Voltage below Average RMS Over Voltage Threshold (returns below)
8086 Average RMS Voltage below Average RMS Over Voltage Threshold on Phase 1 (returns below)
8087 Average RMS Voltage below Average RMS Over Voltage Threshold on Phase 2 (returns below)
8088 Average RMS Voltage below Average RMS Over Voltage Threshold on Phase 3 (returns below)
8089 Average RMS Voltage above Average RMS Under Voltage Threshold (returns above)
808A Average RMS Voltage above Average RMS Under Voltage Threshold on Phase 1 (returns above)
808B Average RMS Voltage above Average RMS Under Voltage Threshold on Phase 2 (returns above)
808C Average RMS Voltage above Average RMS Under Voltage Threshold on Phase 3 (returns above)
808D RMS Voltage above Extreme Over Voltage Threshold (returns below)
808E RMS Voltage above Extreme Over Voltage Threshold on Phase 1 (returns below)
808F RMS Voltage above Extreme Over Voltage Threshold on Phase 2 (returns below)
8090 RMS Voltage above Extreme Over Voltage Threshold on Phase 3 (returns below)
8091 RMS Voltage above Voltage Swell Threshold (returns below)
8092 RMS Voltage above Voltage Swell Threshold on Phase 1 (returns below)
8093 RMS Voltage above Voltage Swell Threshold on Phase 2 (returns below)
8094 RMS Voltage above Voltage Swell Threshold on Phase 3 (returns below)
8095 RMS Voltage below Extreme Under Voltage Threshold (returns above)
8096 RMS Voltage below Extreme Under Voltage Threshold on Phase 1 (returns above)
8097 RMS Voltage below Extreme Under Voltage Threshold on Phase 2 (returns above)
8098 RMS Voltage below Extreme Under Voltage Threshold on Phase 3 (returns above)
8099 RMS Voltage below Voltage Sag Threshold (returns above)
809A RMS Voltage below Voltage Sag Threshold on Phase 1 (returns above)
809B RMS Voltage below Voltage Sag Threshold on Phase 2 (returns above)
809C RMS Voltage below Voltage Sag Threshold on Phase 3 (returns above)
810D Combined Credit Below Low Credit Threshold (prepayment mode)
810E Credit Added Locally
8119 Emergency Credit Has Become Available (prepayment mode)
811A Failure in changing or maintaining HCALCS or ALCS state
8131 Success in changing or maintaining HCALCS or ALCS state
8145 Clock adjusted (within tolerance)
8154 Immediate HAN Interface Command Received and Successfully Actioned
8155 Immediate HAN Interface Command Received but not Successfully Actioned
8161 User Interface Command Input and Successfully Actioned
8162 User Interface Command Input but not Successfully Actioned
8168 Supply Disabled then Armed - Activate Emergency Credit triggered
8183 Device joined SMHAN
8184 Valve tested
819D GSME Command Not Retrieved
819E Tap Off Message Response or Alert Failure
81A0 Smart Meter Integrity Issue - Warning
81A1 Battery Cover Closed
81A2 CH Connected to ESME
81A3 CH Disconnected from ESME
81A4 Close Tunnel Command Rejected
81A5 Communication From Local Port (e.g. Optical)
81A6 Customer Acknowledged Message on HAN Device
81A7 Debt Collection Completed - Time Debt 1
81A8 Debt Collection Completed - Time Debt 2
81A9 Debt Collection Completed - Payment Debt
81AA Emergency Credit Exhausted
81AB Emergency Credit Activated
81AC Error Measurement Fault
81AD Error Metrology Firmware Verification Failure
81AE Error Non Volatile Memory
81AF Error Program Execution
81B0 Error Program Storage
81B1 Error RAM
81B2 Error Unexpected Hardware Reset
81B3 Error Watchdog
81B4 Excess Gas Flow Beyond Meter Capacity
81B5 Flow Sensor Detects Air in Gas Flow
81B6 Flow Sensor Detects Reverse Flow of Gas
81B7 Incorrect phase sequencing
81B8 Incorrect Polarity
81B9 Meter Cover Closed
81BA Request Tunnel Command Rejected
81BB Reverse Current
81BC Strong Magnetic Field Removed
81BD Supply Connect Failure (Valve or Load Switch)
81BE Supply Disabled Then Locked - Supply Tamper State Cause
81BF Supply Disabled Then Armed - Uncontrolled Gas Flow Rate
81C0 Supply Disconnect Failure (Valve or Load Switch)
81C1 Terminal Cover Closed
81C2 Tilt Tamper Ended
81C3 Tilt Tamper
81C4 UTRN Manual Entry Suspended
81C5 UTRN rejected as locked out
81C6 Clock not adjusted (outside tolerance)
8F01 Active Power Import above Load Limit Threshold
8F0A Billing Data Log Updated
8F0C Clock not adjusted (adjustment greater than 10 seconds)
8F0F Credit Below Disablement Threshold (prepayment mode)
8F12 CHF Device Log Changed
8F1B Firmware Verification Failed At Power On
8F1C Firmware Verification Failed
8F1D GSME Power Supply Loss
8F1E Integrity check of content or format of command failed
8F1F Low Battery Capacity
8F20 Limited Duty Cycle Action Taken
8F21 Duty Cycle fallen below Normal-Limited Duty Cycle Threshold
8F22 Critical Duty Cycle Action Taken
8F23 Duty Cycle fallen below Limited-Critical Duty Cycle Threshold
8F24 Regulated Duty Cycle Action Taken
8F25 Duty Cycle fallen below Critical-Regulated Duty Cycle Threshold
8F26 Sub GHz Channel Changed
8F27 Sub GHz Channel Scan initiated
8F28 Sub GHz Channel Scan Request Assessment Outcome
8F29 Three Lost GSME Searches Failed
8F2A Sub GHz Configuration Changed
8F2B Sub GHz Channel not changed due to Frequency Agility Parameters
8F2C Message Discarded Due to Duty Cycle Management
8F2D No More Sub GHz Device Capacity
8F30 Source Does not have Authority for Command
8F32 Supply Armed
8F33 Supply Disabled then Armed - Load Limit triggered
8F34 Supply Enabled after Load Limit Restoration Period (Load Limit triggered)
8F35 Supply Outage Restored
8F36 Supply Outage - Outage >= 3 minutes
8F37 Supply Outage Restored on Phase 1
8F38 Supply Outage Restored on Phase 1 - Outage >= 3 minutes
8F39 Supply Outage Restored on Phase 2
8F3A Supply Outage Restored on Phase 2 - Outage >= 3 minutes
8F3B Supply Outage Restored on Phase 3
8F3C Supply Outage Restored on Phase 3 - Outage >= 3 minutes
8F3D Trusted Source Authentication Failure
8F3E Unauthorised Communication Access attempted
8F3F Unauthorised Physical Access - Tamper Detect
8F43 Change in the executing Firmware version
8F47 Credit would cause Meter Balance to exceed Maximum Meter Balance Threshold
8F48 Device joining failed
8F49 Device joining succeeded
8F4A Device Unjoining failed
8F4B Device Unjoining succeeded
8F4C Device's own Digital Signing Certificate replacement failed
8F4D Device's own Digital Signing Certificate replacement succeeded
8F4E Device's own Key Agreement Certificate replacement failed
8F4F Device's own Key Agreement Certificate replacement succeeded
8F51 Duplicate UTRN entered
8F52 Event Log Cleared
8F53 Failed Authentication or Authorisation not covered by other codes
8F57 Supply interrupted
8F58 Supply interrupted on Phase 1
8F59 Supply interrupted on Phase 2
8F5A Supply interrupted on Phase 3
8F5B UTRN exceeds Maximum Credit Threshold
8F60 Unusual numbers of malformed, out-of-order or unexpected Commands received
8F63 UTRN not Authentic
8F64 UTRN not for this Device
8F66 Future-date HAN Interface Command Successfully Actioned
8F67 Future-date HAN Interface Command not Successfully Actioned
8F69 Device commissioned
8F70 Update Security Credentials
8F72 Firmware Verification Successful
8F73 Unauthorised Physical Access - Battery Cover Removed
8F74 Unauthorised Physical Access - Meter Cover Removed
8F75 Unauthorised Physical Access - Strong Magnetic field
8F76 Unauthorised Physical Access - Terminal Cover Removed
8F77 Unauthorised Physical Access - Second Terminal Cover Removed
8F78 Unauthorised Physical Access - Other
8F82 Remaining Battery Capacity reset
8F83 Disablement of Supply due to insufficient credit has been suspended
8F84 Failure to Deliver Remote Party Message to ESME
8F85 Command not supported by Device (ECS100)
8F86 Limit APC [n] Level command processed (ECS101)
8F87 Limit APC [n] Level ended or cancelled (ECS102)
8F88 Operational update (ECS200)
8F89 Firmware transfer alert FAIL
8F8A Firmware transfer alert SUCCESS
8F8B Read Firmware version alert
"""


def _use_case(line: str) -> UseCase:
    code, category, flags, targets, roles, name, title = line.split(maxsplit=6)
    return UseCase(
        message_code=int(code, 16),
        name="" if name == "-" else name,
        title=title,
        category=None if category == "-" else Category(category),
        future_datable="F" in flags,
        replay_protected="R" in flags,
        targets=() if targets == "-" else tuple(targets.split("/")),
        roles=() if roles == "-" else tuple(Role(letter) for letter in roles),
    )


USE_CASES: Final = {case.message_code: case for case in map(_use_case, _USE_CASES.splitlines())}
"""Every message code that is known."""

ALERTS: Final = {int(line[:4], 16): line[5:] for line in _ALERTS.splitlines()}
"""Every alert code that is known, with its meaning."""

INTEGRITY_ISSUES: Final = (
    "other",
    "non-volatile memory",
    "program execution",
    "program storage",
    "RAM",
    "unexpected hardware reset",
    "watchdog",
    "metrology firmware verification failure",
    "measurement fault",
    "unspecified",
)
"""Issue codes of alert 81A0, from 0."""


def use_case_text(message_code: int) -> str:
    """As "CS06 Activate Firmware"; for a code that is not known its number."""
    case = USE_CASES.get(message_code)
    return f"unknown message code 0x{message_code:04X}" if case is None else str(case)


def alert_text(alert_code: int) -> str:
    """The meaning of an alert code; for one that is not known its number."""
    return ALERTS.get(alert_code, f"unknown alert 0x{alert_code:04X}")
