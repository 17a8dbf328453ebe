# Everything that passes between R and Python passes through this file. Only words, numbers, lists and dictionaries
# cross, because the versions of reticulate differ in all else: what is more says what it is under `.r` on its way to
# Python and under `.py` on its way back. The other half is annotune/rcalls.py.

the <- new.env(parent = emptyenv())

# Calls a public name of the Python package: `verb` is `reliability` or `Classifier.classify`, `...` its arguments
# by Python's names. NULL leaves an argument at Python's default.
at_call <- function(verb, ...) {
  given <- list(...)
  if ("codebook" %in% names(given)) given$codebook <- as_codebook(given$codebook, needed = verb %in% NEED_CODEBOOK)
  arguments <- lapply(drop_nulls(given), to_python)
  answer <- run_python(verb, arguments)
  for (message in as.character(unlist(answer$warnings))) warn(message)
  if (!is.null(answer$interrupted)) stop_interrupted(answer$interrupted)
  if (!is.null(answer$error)) abort(answer$error$what, answer$error$advice)
  if (!is.null(answer$fault)) abort_fault(answer$fault$what, answer$fault$traceback)
  from_python(answer$value)
}

NEED_CODEBOOK <- c(
  "tune", "attach", "crossfit", "learning_curve", "zero_shot", "propose", "test_codebook", "levels", "roll_up"
)

run_python <- function(verb, arguments) {
  python <- python_half()
  if (length(arguments) == 0) arguments <- reticulate::dict()
  listener <- progress_listener()
  on.exit(listener$done())
  tryCatch(
    python$call(verb, arguments, listener$report),
    error = function(error) abort_unexpected(error)
  )
}

drop_nulls <- function(x) x[!vapply(x, is.null, NA)]

# To Python -----------------------------------------------------------------------------------------------------------

to_python <- function(x) {
  if (inherits(x, "at_codebook")) {
    return(list(.r = "codebook", content = codebook_content(x)))
  }
  if (inherits(x, "at_model")) {
    return(list(.r = "object", object = model_pointer(x)))
  }
  if (inherits(x, "at_result") && !is.null(x$object)) {
    return(list(.r = "object", object = live_pointer(x)))
  }
  kind <- intersect(WHOLE, class(x))
  if (length(kind)) {
    return(list(.r = "result", kind = kind, parts = lapply(drop_nulls(unclass(x)), to_python)))
  }
  if (inherits(x, "at_sent") || inherits(x, "python.builtin.object")) {
    return(x)
  }
  if (is.data.frame(x)) {
    return(frame_to_python(x))
  }
  if (is.null(x) || is.function(x)) {
    return(x)
  }
  if (is.factor(x)) x <- as.character(x)
  if (is.list(x) || !is.null(names(x))) {
    return(list_to_python(as.list(x)))
  }
  if (length(x) == 1) scalar_to_python(x) else words_sent(x)
}

# Results whose parts are all there is to them: Python makes them again from these.
WHOLE <- c("at_evaluation", "at_comparison", "at_error_model", "at_rounds", "at_anchoring", "at_multiverse")

list_to_python <- function(x) {
  if (length(x) == 0 && !is.null(names(x))) reticulate::dict() else lapply(x, to_python)
}

# A long vector is not gone through element by element a second time.
words_sent <- function(x) {
  x <- if (is.character(x)) as_words(x) else if (is.double(x) && is_whole(x)) as.integer(x) else x
  structure(cells(x), class = "at_sent")
}

# Words in any encoding that R knows arrive as they are; bytes that are words in none are refused. The C locale knows
# no letters of its own: what is not marked in it is read as UTF-8.
as_words <- function(x, name = NULL) {
  unmarked <- Encoding(x) == "unknown"
  if (any(unmarked) && Sys.getlocale("LC_CTYPE") %in% c("C", "POSIX")) Encoding(x)[unmarked] <- "UTF-8"
  broken <- which(!validEnc(x))
  if (length(broken)) {
    where <- if (!is.null(name)) sprintf("Column '%s': ", name) else ""
    example <- substr(iconv(x[broken[1]], "UTF-8", "ASCII", sub = "byte"), 1, 40)
    abort(
      sprintf("%s%s of %s texts are in an unknown encoding, such as '%s'.", where, length(broken), length(x), example),
      "Read the file again with fileEncoding = \"latin1\" (or what it is in), or use iconv()."
    )
  }
  enc2utf8(x)
}

is_whole <- function(x) all(is.na(x) | (x == round(x) & abs(x) <= .Machine$integer.max))

# Whole numbers are integers in Python, where n = 1000 would otherwise be 1000.0; a missing value is None.
scalar_to_python <- function(x) {
  if (is.na(x)) {
    return(NULL)
  }
  if (is.character(x)) {
    return(enc2utf8(x))
  }
  if (is.double(x) && is_whole(x)) as.integer(x) else x
}

# A list even where there is one element, for arguments that Python goes through one by one.
several <- function(x) if (is.null(x)) NULL else as.list(unname(x))

# A path as Python reads it: R's home directory is not always Python's.
as_path <- function(x) if (is.character(x)) path.expand(enc2utf8(x)) else x

# A data frame. `ids` are columns with identifiers, which cross as words; `blank` columns cross by name alone;
# `whole` keeps value labels, variable labels and the reasons for missing cells.
frame_to_python <- function(data, ids = "unit_id", blank = character(), whole = FALSE) {
  if (whole) data <- with_row_names(data)
  if (anyDuplicated(names(data))) {
    abort(
      sprintf("The data frame has the column '%s' twice.", names(data)[anyDuplicated(names(data))]),
      "Give every column a name of its own."
    )
  }
  columns <- lapply(names(data), function(name) {
    if (name %in% blank) {
      return(list(name = enc2utf8(name), type = "blank"))
    }
    value <- if (name %in% ids) as_id(data[[name]], name) else data[[name]]
    c(list(name = enc2utf8(name)), column_to_python(value, name, whole))
  })
  structure(list(.r = if (whole) "table" else "frame", columns = columns, rows = nrow(data)), class = "at_sent")
}

column_to_python <- function(x, name, whole = FALSE) {
  heading <- if (whole && is.character(attr(x, "label", exact = TRUE))) list(heading = enc2utf8(attr(x, "label")))
  c(column_values(x, name, whole), heading)
}

column_values <- function(x, name, whole) {
  if (inherits(x, "haven_labelled")) {
    return(labelled_to_python(x, name, whole))
  }
  if (is.factor(x)) {
    x <- droplevels_na(x)
    return(list(type = "factor", values = cells(as.integer(x)), levels = as.list(as_words(levels(x), name))))
  }
  if (inherits(x, "Date")) {
    return(list(type = "date", values = cells(as.integer(floor(finite(unclass(x), name))))))
  }
  if (inherits(x, "difftime")) {
    type <- if (inherits(x, "hms")) "clock" else "duration"
    return(list(type = type, values = cells(finite(as.double(x, units = "secs"), name))))
  }
  if (inherits(x, "POSIXt")) {
    # Files of Stata and SPSS know no time zones: they get what the clock showed.
    seconds <- if (whole) as.POSIXct(as.POSIXlt(x), tz = "UTC") else as.POSIXct(x)
    return(list(type = "datetime", values = cells(finite(as.double(seconds), name))))
  }
  if (inherits(x, "integer64")) {
    return(list(type = "string", values = cells(as_id(x, name))))
  }
  if (is.list(x) && all(vapply(x, is_words, NA))) {
    return(list(type = "list", values = lapply(unname(x), words_to_python)))
  }
  if (!is.atomic(x) || !is.null(dim(x)) || is.complex(x) || is.raw(x)) {
    abort(
      sprintf("The column '%s' holds %s, which no file of a table can hold.", name, class(x)[1]),
      "Leave it out, or make it words or numbers."
    )
  }
  type <- switch(typeof(x), character = "string", integer = "integer", logical = "logical", "double")
  if (type == "string") x <- as_words(x, name)
  list(type = type, values = cells(x))
}

# Days and times without infinite ones, which are missing elsewhere.
finite <- function(x, name) {
  infinite <- is.infinite(x)
  if (any(infinite)) {
    warn(sprintf("The column '%s' has %d infinite days or times; they are missing here.", name, sum(infinite)))
    x[infinite] <- NA
  }
  x
}

# A data frame with its row names as a column, where they are words and not only numbers.
with_row_names <- function(data) {
  rows <- attr(data, "row.names")
  if (!is.character(rows) || all(grepl("^[0-9]+$", rows)) || "row_names" %in% names(data)) {
    return(data)
  }
  warn("The names of the data frame's rows are in the column 'row_names'.")
  tibble::add_column(tibble::as_tibble(data), row_names = rows, .before = 1)
}

# Cells one by one, NULL where they are missing.
cells <- function(x) {
  values <- as.list(unname(as.vector(x)))
  values[is.na(x)] <- list(NULL)
  values
}

is_words <- function(x) is.null(x) || is.character(x) || is.factor(x) || (is.atomic(x) && all(is.na(x)))

words_to_python <- function(x) {
  if (is.null(x) || (length(x) == 1 && is.na(x))) NULL else cells(enc2utf8(as.character(x)))
}

droplevels_na <- function(x) if (anyNA(levels(x))) factor(x, levels = levels(x)[!is.na(levels(x))]) else x

# Codes with their labels, and why cells are missing: Stata's .a to .z and SPSS's user-missing codes.
labelled_to_python <- function(x, name, whole) {
  labels <- attr(x, "labels", exact = TRUE)
  values <- as.vector(unclass(x))
  attributes(values) <- NULL
  if (is.character(values) && !whole) {
    named <- names(labels)[match(values, labels)]
    return(list(type = "string", values = cells(enc2utf8(ifelse(is.na(named), values, named)))))
  }
  if (is.character(values)) {
    codes <- as.list(enc2utf8(unname(labels)))
    values <- cells(as_words(values, name))
    return(list(type = "labelled", values = values, codes = codes, names = names_of_labels(labels)))
  }
  why <- missing_reasons(x, values, labels)
  values[!is.na(why)] <- NA
  known <- labels[!is.na(labels)]
  sent <- list(
    type = "labelled", values = cells(as.double(values)),
    codes = as.list(as.double(unname(known))), names = names_of_labels(known)
  )
  if (whole && any(!is.na(why))) c(sent, list(why = cells(enc2utf8(why)))) else sent
}

names_of_labels <- function(labels) as.list(enc2utf8(as.character(names(labels))))

missing_reasons <- function(x, values, labels) {
  tags <- if (is.double(values)) haven::na_tag(values) else rep(NA_character_, length(values))
  user <- is.na(x) & !is.na(values)
  label_tags <- if (is.double(labels)) haven::na_tag(labels) else rep(NA_character_, length(labels))
  code <- ifelse(is.na(tags), ifelse(user, format_whole(values), NA_character_), paste0(".", tags))
  label <- names(labels)[ifelse(is.na(tags), match(values, labels), match(tags, label_tags))]
  ifelse(is.na(code) | is.na(label), code, paste(code, label))
}

format_whole <- function(x) formatC(as.double(x), format = "fg", digits = 15, width = 1)

# Identifiers are words; a number that can have lost digits is refused.
as_id <- function(x, name = "unit_id") {
  if (inherits(x, "integer64")) {
    rlang::check_installed("bit64", "to read 64-bit identifiers.")
    return(as.character(x))
  }
  if (is.list(x)) {
    abort(sprintf("The column '%s' holds lists, not identifiers.", name), "Name another column with unit_id.")
  }
  if (inherits(x, "haven_labelled")) x <- haven::zap_labels(x)
  if (!is.double(x)) {
    return(enc2utf8(as.character(x)))
  }
  lost <- which(is.finite(x) & (abs(x) >= 2^53 | x != round(x)))
  if (length(lost)) {
    abort(
      sprintf(
        "Row %d, column '%s': the identifier %s is a number that can have lost digits (%s in all).",
        lost[1], name, format(x[lost[1]], digits = 17), length(lost)
      ),
      "Read the column as character (colClasses, col_types), and identifiers keep all their digits."
    )
  }
  ifelse(is.finite(x), format(x, scientific = FALSE, trim = TRUE, digits = 15, drop0trailing = TRUE), NA_character_)
}

# From Python ---------------------------------------------------------------------------------------------------------

from_python <- function(x) {
  if (!is.list(x)) {
    return(x)
  }
  kind <- x[[".py"]] %||% ""
  switch(
    kind,
    frame = frame_from_python(x),
    column = column_from_python(x),
    array = array(as.double(unlist(x$values)), dim = as.integer(unlist(x$dim))),
    Codebook = codebook_from_python(x),
    Classifier = model_from_python(x),
    Evaluation = evaluation_from_python(x),
    CrossValidation = evaluation_from_python(x),
    parts_from_python(x, kind)
  )
}

# What Python calls a LearningCurve is of class at_learning_curve here; a plain dictionary is a plain list.
parts_from_python <- function(x, kind) {
  parts <- lapply(x[names(x) %||% seq_along(x) != ".py"], from_python)
  if (!nzchar(kind)) {
    return(parts)
  }
  class(parts) <- c(paste0("at_", tolower(gsub("(?<=[a-z])(?=[A-Z])", "_", kind, perl = TRUE))), "at_result")
  parts
}

frame_from_python <- function(x) {
  columns <- lapply(x$columns, column_from_python)
  names(columns) <- vapply(x$columns, function(column) column$name, "")
  tibble::new_tibble(columns, nrow = x$rows)
}

column_from_python <- function(column) {
  values <- column$values
  missing <- as.integer(unlist(column$missing)) + 1L
  filled <- switch(
    column$type,
    string = as.character(flat(values, "")),
    integer = as.integer(flat(values, 0L)),
    double = as.double(flat(values, 0)),
    logical = as.logical(flat(values, NA)),
    factor = as_factor_of(as.integer(flat(values, 0L)) + 1L, as.character(unlist(column$levels))),
    date = structure(as.double(flat(values, 0)), class = "Date"),
    datetime = structure(as.double(flat(values, 0)), class = c("POSIXct", "POSIXt"), tzone = column$zone %||% "UTC"),
    duration = as.difftime(as.double(flat(values, 0)), units = "secs"),
    clock = structure(as.double(flat(values, 0)), class = c("hms", "difftime"), units = "secs"),
    list = lapply(values, function(cell) as.character(unlist(cell)))
  )
  if (column$type == "list") filled[missing] <- list(NA_character_) else filled[missing] <- NA
  filled
}

# reticulate makes a vector of a list whose elements are of one kind, and an empty list of an empty one.
flat <- function(values, none) if (is.list(values)) unlist(values) %||% none[0] else values

as_factor_of <- function(codes, levels) {
  codes[codes == 0L] <- NA
  structure(codes, levels = levels, class = "factor")
}


