from .checking import check as check
from .checking import mine as mine
from .claims import claim as claim
from .diagram import diagram as diagram
from .hints import hint as hint
from .record import progress as progress
from .record import start_over as start_over
from .report import report as report
