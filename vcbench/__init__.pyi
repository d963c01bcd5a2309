from vcbench.library import convert as convert
from vcbench.library import load_run as load_run
from vcbench.library import score as score

__version__: str
