model_pointer <- function(x) x$object
model_from_python <- function(x) x
