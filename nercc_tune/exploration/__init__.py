"""Looking into a study: its worker outputs decoded anew, over any smoothing and for any workers that arrive."""

from nercc_tune.exploration.exploration import Exploration
from nercc_tune.exploration.live_group import Decoded, LiveGroup
from nercc_tune.exploration.sent_code import SentCode, codes_to_send

__all__ = ["Decoded", "Exploration", "LiveGroup", "SentCode", "codes_to_send"]
