"""Models of the reward, cross-fitted, for estimators that use one."""
