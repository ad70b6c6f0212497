"""The paper's Table 1 once more, on clips whose truth we know."""
