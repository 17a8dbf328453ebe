# What Python's default installation does without, by the names of annotune/extras.py. What brings R objects into a
# Python session ("r") is not among them: it must not be loaded in R.
EXTRAS <- c("tables", "multilingual", "pandas", "onnx", "gguf", "llama", "propose", "redact", "page", "openvino", "ray", "4bit")

# The extras that verbs of R need without being asked for anything unusual.
USUAL_EXTRAS <- "tables"

require_extras <- function(extras) {
  extras <- setdiff(extras, "none")
  strange <- setdiff(extras, EXTRAS)
  if (length(strange)) {
    there <- paste(sprintf("\"%s\"", EXTRAS), collapse = ", ")
    abort(sprintf("There is no extra '%s'.", strange[1]), paste0("There are ", there, "; \"none\" is for none."))
  }
  extras
}

# As pip takes it: annotune[tables]~=0.1.0, folder[tables], annotune[tables] @ https://...
requirement <- function(source, extras) {
  named <- regmatches(source %||% "", regexec("^(.*)\\[([^]]*)\\]$", source %||% ""))[[1]]
  if (length(named)) {
    source <- named[2]
    extras <- union(extras, strsplit(named[3], " *, *")[[1]])
  }
  brackets <- if (length(extras)) sprintf("[%s]", paste(extras, collapse = ",")) else ""
  if (is.null(source)) {
    return(sprintf("annotune%s~=%s", brackets, utils::packageVersion("annotune")))
  }
  if (file.exists(source)) {
    return(paste0(normalizePath(source), brackets))
  }
  if (grepl("://", source, fixed = TRUE)) {
    return(sprintf("annotune%s @ %s", brackets, sub("^annotune *@ *", "", source)))
  }
  sub("^([A-Za-z0-9._-]+)", paste0("\\1", brackets), source)
}

# Which extras are there; what usual work would stop at is a fault.
extras_row <- function(look) {
  if (!has(look, "extras")) {
    return(NULL)
  }
  there <- intersect(EXTRAS, strsplit(look[["extras"]], " ")[[1]])
  value <- if (length(there)) toString(there) else "none"
  missing <- setdiff(USUAL_EXTRAS, there)
  if (length(missing)) {
    advice <- paste0("Needed for .docx, .tex and .html tables: ", install_line(missing))
    return(status_row("Extras", value, FALSE, advice))
  }
  others <- setdiff(EXTRAS, there)
  if (length(others)) value <- paste0(value, "; to be had by at_install(extras = ): ", toString(others))
  status_row("Extras", value)
}

install_line <- function(extras) sprintf("at_install(extras = \"%s\")", extras)
