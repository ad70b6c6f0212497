from .budget import BUDGETS as BUDGETS
from .confusion_from_scores import matrices as matrices
from .report import lines as lines
from .report import pairs_in as pairs_in
from .report import runs_in as runs_in
from .report import test_set as test_set
from .rows import ROWS as ROWS
