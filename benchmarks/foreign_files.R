# Reads files with R's own readers for foreign_files.py: lines of "number <tab> reader <tab> path" in, one JSON file each out.
arguments <- commandArgs(trailingOnly = TRUE)
.libPaths(c(strsplit(Sys.getenv("FOREIGN_R_LIBRARY"), ":")[[1]], .libPaths()))
tasks <- read.delim(arguments[1], header = FALSE, quote = "", stringsAsFactors = FALSE, encoding = "UTF-8")

cells <- function(column) {
  if (inherits(column, "haven_labelled")) column <- haven::zap_labels(column)
  if (is.factor(column)) return(list(kind = "text", cells = as.character(column)))
  if (inherits(column, "Date")) return(list(kind = "seconds", cells = number(as.numeric(column) * 86400)))
  if (inherits(column, "POSIXct")) return(list(kind = "seconds", cells = number(as.numeric(column))))
  if (inherits(column, "difftime")) {
    return(list(kind = "number", cells = number(as.numeric(column, units = "secs"))))
  }
  if (inherits(column, "integer64")) return(list(kind = "text", cells = as.character(column)))
  if (is.logical(column) || is.numeric(column)) return(list(kind = "number", cells = number(as.numeric(column))))
  if (is.character(column)) return(list(kind = "text", cells = column))
  list(kind = "other", cells = rep(NA_character_, NROW(column)))
}

number <- function(values) ifelse(is.na(values), NA_character_, sprintf("%.17g", values))

readers <- list(
  haven = function(path) {
    switch(tolower(tools::file_ext(path)),
      dta = haven::read_dta(path), por = haven::read_por(path), haven::read_sav(path))
  },
  readstata13 = function(path) readstata13::read.dta13(path, convert.factors = FALSE),
  foreign = function(path) {
    foreign::read.spss(path, to.data.frame = TRUE, use.value.labels = FALSE, use.missings = TRUE)
  },
  readxl = function(path) readxl::read_excel(path, na = "", guess_max = 1e6, .name_repair = "minimal"),
  readr = function(path) {
    read <- if (grepl("[.](tsv|tab)$", path, ignore.case = TRUE)) readr::read_tsv else readr::read_csv
    table <- read(path, na = "", guess_max = Inf, show_col_types = FALSE, name_repair = "minimal", progress = FALSE)
    if (ncol(table) > 1) return(table)
    readr::read_delim(path, na = "", guess_max = Inf, show_col_types = FALSE, name_repair = "minimal", progress = FALSE)
  },
  R = readRDS
)

for (row in seq_len(nrow(tasks))) {
  answer <- tryCatch(
    {
      table <- suppressMessages(suppressWarnings(readers[[tasks$V2[row]]](tasks$V3[row])))
      if (!is.data.frame(table)) stop("no data frame")
      list(names = as.list(as.character(names(table))), rows = nrow(table), columns = lapply(unname(as.list(table)), cells))
    },
    error = function(error) list(error = substr(conditionMessage(error), 1, 200))
  )
  text <- jsonlite::toJSON(answer, auto_unbox = TRUE, na = "null", null = "null", digits = NA)
  writeLines(enc2utf8(text), file.path(arguments[2], paste0(tasks$V1[row], ".json")), useBytes = TRUE)
}
