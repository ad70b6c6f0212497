from .dashboard import RunDashboard as RunDashboard
from .dashboard import TrainingDashboard as TrainingDashboard
from .explorer import AttentionExplorer as AttentionExplorer
